-- Version 7: a catalog made anew from repositories, and WAL that was found there
-- or is there no more. No table changed. Never edited.
SELECT 1;
