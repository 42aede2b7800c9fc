-- True for text that is empty or only characters with Unicode's White_Space; the same list as in wire/blanks.py.
create or replace function is_blank(value text) returns boolean language sql immutable parallel safe as $$
    select btrim(
        value,
        e'\t\n\u000b\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029'
        '\u202f\u205f\u3000'
    ) = ''
$$;
