/** Logging in. Nothing of the control plane is shown before. */
import { zodResolver } from '@hookform/resolvers/zod';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { Clock, Eye, EyeOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import { useForm } from 'react-hook-form';
import { z } from 'zod';
import { Logo } from '../../frame/Logo';
import { session } from '../../session/browser';
import { Button, IconButton } from '../../ui/Button';
import { TextField } from '../../ui/Field';
import { ErrorState } from '../../ui/States';
import { words } from '../../words';
import { Kelp } from './Kelp';

const text = words.login;
const route = getRouteApi('/login');

const credentials = z.object({
  user: z.string().trim().min(1, text.needUser),
  password: z.string().min(1, text.needPassword),
});
type Credentials = z.infer<typeof credentials>;

export function LoginPage() {
  const { return: back } = route.useSearch();
  useEffect(() => {
    document.title = `${text.title} · ${words.common.product}`;
  }, []);
  return (
    <main className="grid min-h-dvh bg-surface lg:grid-cols-[minmax(28rem,5fr)_7fr]">
      <div className="flex flex-col px-6 py-8 sm:px-12">
        <Logo />
        <div className="mx-auto flex w-full max-w-sm flex-1 flex-col justify-center py-10">
          <h1 className="text-2xl font-semibold tracking-tight">{text.title}</h1>
          {back !== undefined && back !== '/' && (
            <p className="mt-2 flex items-start gap-2 text-ink-2">
              <Clock aria-hidden className="mt-0.5 size-4 shrink-0" />
              {text.over}
            </p>
          )}
          <LoginForm back={back ?? '/'} />
          <p className="mt-8 border-t border-line pt-4 text-sm text-ink-3">
            <span className="font-medium text-ink-2">{text.firstTitle}</span> {text.first}
          </p>
        </div>
      </div>
      <aside className="relative hidden overflow-hidden bg-ground lg:block">
        <Kelp />
        <div className="absolute top-[14%] left-[8%] max-w-[19rem]">
          <p className="text-3xl font-semibold tracking-tight text-balance">{text.claim}</p>
          <p className="mt-3 text-lg text-ink-2">{text.claimMore}</p>
        </div>
      </aside>
    </main>
  );
}

function LoginForm({ back }: { back: string }) {
  const router = useRouter();
  const queries = useQueryClient();
  const [shown, setShown] = useState(false);
  const form = useForm<Credentials>({
    resolver: zodResolver(credentials),
    defaultValues: { user: '', password: '' },
  });
  const login = useMutation({
    mutationFn: ({ user, password }: Credentials) => session.login(user, password),
    onSuccess: () => {
      // Nothing that another user saw may be shown to this one.
      queries.clear();
      router.history.push(back);
    },
    onError: () => form.setFocus('password', { shouldSelect: true }),
  });
  const { errors } = form.formState;
  return (
    <form
      noValidate
      className="mt-6 flex flex-col gap-4"
      onSubmit={(event) => void form.handleSubmit((values) => login.mutate(values))(event)}
    >
      {login.error !== null && <ErrorState error={login.error} compact />}
      <TextField
        label={text.user}
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
        error={errors.user?.message}
        {...form.register('user')}
      />
      <div className="relative">
        <TextField
          label={text.password}
          type={shown ? 'text' : 'password'}
          autoComplete="current-password"
          error={errors.password?.message}
          {...form.register('password')}
        />
        <IconButton
          icon={shown ? EyeOff : Eye}
          label={shown ? text.hidePassword : text.showPassword}
          size="sm"
          className="absolute top-7 right-1"
          onClick={() => setShown(!shown)}
        />
      </div>
      <Button
        type="submit"
        variant="primary"
        size="lg"
        className="mt-2 w-full"
        busy={login.isPending}
      >
        {text.submit}
      </Button>
    </form>
  );
}
