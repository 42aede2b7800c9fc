-- True for an absolute http or https address; the same rule as in wire/addresses.py.
create or replace function is_address(value text) returns boolean language sql immutable parallel safe as $$
    select value ~ (
        '^[hH][tT][tT][pP][sS]?://'
        '[^/?#\u0001-\u0020\u007f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+'
        '[^\u0001-\u0020\u007f\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$'
    )
$$;
