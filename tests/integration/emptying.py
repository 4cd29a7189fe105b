"""Empties the database behind a test that committed.

Django's own flush truncates every table, whether or not anything is in it, and then writes content
types and permissions anew: several times what a small test takes. Here only what has rows is emptied,
and what ``migrate`` wrote stays.
"""

from django.db import connection
from django.test import TransactionTestCase

# Money's tables refuse to be emptied, so the triggers for DELETE (8) and TRUNCATE (32) are off
# meanwhile. Deleting leaves dead rows behind and truncating makes new files, so that it depends on the
# size what costs less. Whose references are looked at with the statement goes first; all others are
# looked at before triggers are on again, for PostgreSQL alters no table with checks to come.
_EMPTY = """
DO $$
DECLARE
  one regclass;
  is_filled boolean;
  filled regclass[] := '{}';
  guarded regclass[] := ARRAY(
    SELECT DISTINCT tgrelid::regclass FROM pg_trigger
     WHERE NOT tgisinternal AND tgtype & (8 | 32) <> 0);
BEGIN
  FOR one IN
    SELECT t.oid::regclass FROM pg_class t
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
       AND relname NOT IN ('django_migrations', 'django_content_type', 'auth_permission')
     ORDER BY EXISTS (
       SELECT FROM pg_constraint
        WHERE conrelid = t.oid AND contype = 'f' AND NOT condeferrable) DESC
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', one) INTO is_filled;
    IF is_filled THEN
      filled := filled || one;
    END IF;
  END LOOP;
  IF filled = '{}' THEN
    RETURN;
  END IF;

  FOREACH one IN ARRAY guarded LOOP
    EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', one);
  END LOOP;
  FOREACH one IN ARRAY filled LOOP
    IF pg_relation_size(one) >= 256 * 1024 THEN
      EXECUTE format('TRUNCATE %s CASCADE', one);
    END IF;
  END LOOP;
  FOREACH one IN ARRAY filled LOOP
    EXECUTE format('DELETE FROM %s', one);
  END LOOP;
  SET CONSTRAINTS ALL IMMEDIATE;
  FOREACH one IN ARRAY guarded LOOP
    EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', one);
  END LOOP;
END $$
"""


def empty(_: TransactionTestCase) -> None:
    """Delete every row that tests write; takes the place of the case's own flush."""
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
