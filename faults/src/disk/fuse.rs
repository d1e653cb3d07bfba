//! The image as a FUSE file system.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::image::{Image, Inode};
use super::{State, lock};

/// Nothing changes behind the kernel's back.
const FOREVER: Duration = Duration::from_secs(3600);
const BLOCK: u32 = 4096;
/// How large an unlimited disk says it is.
const ROOM: u64 = 64 << 30;

pub(super) struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

impl FaultyDisk {
    pub(super) const fn new(state: Arc<Mutex<State>>) -> Self {
        Self { state }
    }

    fn image<T>(&self, act: impl FnOnce(&mut Image) -> T) -> T {
        act(&mut lock(&self.state).image)
    }

    /// Syncs after the delay that the disk has now, without holding up others.
    fn sync(
        &self,
        reply: ReplyEmpty,
        sync: impl FnOnce(&mut State) -> Result<(), Errno> + Send + 'static,
    ) {
        let delay = lock(&self.state).trouble.slow_sync;
        let state = Arc::clone(&self.state);
        let act = move || {
            thread::sleep(delay);
            let done = {
                let mut state = lock(&state);
                state.used.syncs += 1;
                sync(&mut state)
            };
            answer(reply, done);
        };
        if delay.is_zero() {
            act();
        } else {
            thread::spawn(act);
        }
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn attributes(ino: u64, inode: &Inode) -> FileAttr {
    FileAttr {
        ino: INodeNo(ino),
        size: inode.size,
        blocks: inode.size.div_ceil(512),
        atime: inode.changed,
        mtime: inode.changed,
        ctime: inode.changed,
        crtime: inode.changed,
        kind: inode.kind,
        perm: inode.mode,
        nlink: inode.links.max(1),
        uid: inode.uid,
        gid: inode.gid,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn found(image: &Image, ino: u64) -> Result<FileAttr, Errno> {
    Ok(attributes(ino, image.inode(ino)?))
}

fn enter(reply: ReplyEntry, entry: Result<FileAttr, Errno>) {
    match entry {
        Ok(entry) => reply.entry(&FOREVER, &entry, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn permissions(mode: u32, umask: u32) -> u16 {
    u16::try_from(mode & !umask & 0o7777).unwrap_or(0o700)
}

fn made(
    image: &mut Image,
    (parent, name): (INodeNo, &OsStr),
    inode: Inode,
) -> Result<FileAttr, Errno> {
    let ino = image.make(parent.0, name, inode)?;
    found(image, ino)
}

impl Filesystem for FaultyDisk {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        enter(
            reply,
            self.image(|image| found(image, image.find(parent.0, name)?)),
        );
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.image(|image| found(image, ino.0)) {
            Ok(entry) => reply.attr(&FOREVER, &entry),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let changed = self.image(|image| {
            if let Some(size) = size {
                image.resize(ino.0, size)?;
            }
            let inode = image.inode_mut(ino.0)?;
            inode.mode = mode.map_or(inode.mode, |mode| permissions(mode, 0));
            inode.uid = uid.unwrap_or(inode.uid);
            inode.gid = gid.unwrap_or(inode.gid);
            inode.changed = match mtime {
                Some(TimeOrNow::SpecificTime(time)) => time,
                Some(TimeOrNow::Now) => SystemTime::now(),
                None => inode.changed,
            };
            found(image, ino.0)
        });
        match changed {
            Ok(entry) => reply.attr(&FOREVER, &entry),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.image(|image| image.inode(ino.0).map(|inode| inode.target.clone())) {
            Ok(target) => reply.data(target.as_os_str().as_encoded_bytes()),
            Err(error) => reply.error(error),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: u32,
        reply: ReplyEntry,
    ) {
        // Sockets are made by `bind`; other devices nobody needs here.
        let kind = match mode & 0o170_000 {
            0o140_000 => FileType::Socket,
            0o100_000 => FileType::RegularFile,
            _ => return reply.error(Errno::EPERM),
        };
        let inode = Inode::new(kind, permissions(mode, umask), request.uid(), request.gid());
        enter(
            reply,
            self.image(|image| made(image, (parent, name), inode)),
        );
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let mode = permissions(mode, umask);
        let inode = Inode::new(FileType::Directory, mode, request.uid(), request.gid());
        enter(
            reply,
            self.image(|image| made(image, (parent, name), inode)),
        );
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(
            reply,
            self.image(|image| image.remove_name(parent.0, name, false)),
        );
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(
            reply,
            self.image(|image| image.remove_name(parent.0, name, true)),
        );
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let mut inode = Inode::new(FileType::Symlink, 0o777, request.uid(), request.gid());
        target.clone_into(&mut inode.target);
        enter(
            reply,
            self.image(|image| made(image, (parent, name), inode)),
        );
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to: INodeNo,
        new: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        if flags.intersects(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_WHITEOUT) {
            return reply.error(Errno::EINVAL);
        }
        let replace = !flags.contains(RenameFlags::RENAME_NOREPLACE);
        let done = self.image(|image| image.rename((parent.0, name), (to.0, new), replace));
        answer(reply, done);
    }

    fn link(&self, _: &Request, ino: INodeNo, to: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let done = self.image(|image| {
            if image.find(to.0, name).is_ok() {
                return Err(Errno::EEXIST);
            }
            image.add_name(to.0, name, ino.0);
            found(image, ino.0)
        });
        enter(reply, done);
    }

    fn open(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.image(|image| image.inode_mut(ino.0).map(|inode| inode.open += 1)) {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mode = permissions(mode, umask);
        let mut inode = Inode::new(FileType::RegularFile, mode, request.uid(), request.gid());
        inode.open = 1;
        match self.image(|image| made(image, (parent, name), inode)) {
            Ok(entry) => reply.created(
                &FOREVER,
                &entry,
                Generation(0),
                FileHandle(0),
                FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.image(|image| image.read(ino.0, offset, size as usize)) {
            Ok(data) => reply.data(&data),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (written, delay) = {
            let mut state = lock(&self.state);
            state.used.writes += 1;
            let written = state.image.write(ino.0, offset, data);
            state.used.refused += u64::from(written.is_err());
            (written, state.trouble.slow_write)
        };
        let act = move || {
            thread::sleep(delay);
            match written {
                Ok(length) => reply.written(u32::try_from(length).unwrap_or(u32::MAX)),
                Err(error) => reply.error(error),
            }
        };
        if delay.is_zero() {
            act();
        } else {
            thread::spawn(act);
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file promises nothing.
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.image(|image| {
            if let Ok(inode) = image.inode_mut(ino.0) {
                inode.open = inode.open.saturating_sub(1);
            }
            image.reap(ino.0);
        });
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(reply, move |state| {
            if state.trouble.failing_sync {
                state.used.refused += 1;
                state.image.lose(ino.0)?;
                return Err(Errno::EIO);
            }
            state.image.sync(ino.0)
        });
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(reply, move |state| {
            if state.trouble.failing_sync {
                state.used.refused += 1;
                return Err(Errno::EIO);
            }
            state.image.sync_names(ino.0);
            Ok(())
        });
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = self.image(|image| {
            let names = &image.inode(ino.0)?.names;
            let entries = names.iter().map(|(name, number)| {
                let kind = image.inodes.get(number).map(|inode| inode.kind);
                (*number, kind.unwrap_or(FileType::RegularFile), name.clone())
            });
            Ok(entries.collect::<Vec<_>>())
        });
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => return reply.error(error),
        };
        let dots = [".", ".."].map(|name| (ino.0, FileType::Directory, name.into()));
        let all = dots.into_iter().chain(entries);
        for (position, (number, kind, name)) in (1..).zip(all) {
            if position > offset && reply.add(INodeNo(number), position, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (used, limit) = self.image(|image| (image.used, image.limit.unwrap_or(ROOM)));
        let size = u64::from(BLOCK);
        let free = limit.saturating_sub(used) / size;
        reply.statfs(
            limit / size,
            free,
            free,
            1 << 20,
            1 << 20,
            BLOCK,
            255,
            BLOCK,
        );
    }
}
