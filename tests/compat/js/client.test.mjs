// The unmodified npm client against a running server: TIELINE_URL, TIELINE_KEY (a key that may write).
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { PostgrestClient } from "@supabase/postgrest-js";

const client = new PostgrestClient(process.env.TIELINE_URL, {
  headers: { Authorization: `Bearer ${process.env.TIELINE_KEY}` },
});
const mappings = () => client.from("externalIntegrationMapping");
const row = (n, more = {}) => ({
  id: `js${n}`,
  entityType: "item",
  entityId: `${n}`,
  integration: "xero",
  externalId: `X ${n}, (${n})`,
  metadata: { n, tags: [`t${n}`], text: `fox ${n}` },
  ...more,
});
const ids = (rows) => rows.map((r) => r.id);

before(async () => {
  const { error, status } = await mappings().insert([1, 2, 3, 4, 5].map((n) => row(n)));
  assert.equal(error, null);
  assert.equal(status, 201);
});

const filters = {
  eq: [(q) => q.eq("externalId", "X 2, (2)"), ["js2"]],
  neq: [(q) => q.neq("id", "js1"), ["js2", "js3", "js4", "js5"]],
  "gt and lte": [(q) => q.gt("id", "js1").lte("id", "js3"), ["js2", "js3"]],
  "gte and lt": [(q) => q.gte("id", "js2").lt("id", "js3"), ["js2"]],
  like: [(q) => q.like("externalId", "X 3%"), ["js3"]],
  ilike: [(q) => q.ilike("externalId", "x 3%"), ["js3"]],
  likeAnyOf: [(q) => q.likeAnyOf("externalId", ["X 1%", "X 4%"]), ["js1", "js4"]],
  "is null": [(q) => q.is("link", null).limit(2), ["js1", "js2"]],
  "is true": [(q) => q.is("allowDuplicateExternalId", true), []],
  in: [(q) => q.in("externalId", ["X 1, (1)", "X 5, (5)"]), ["js1", "js5"]],
  contains: [(q) => q.contains("metadata", { n: 4 }), ["js4"]],
  containedBy: [(q) => q.containedBy("metadata", { n: 2, tags: ["t2"], text: "fox 2", more: 1 }), ["js2"]],
  textSearch: [(q) => q.textSearch("metadata->>text", "fox & 3"), ["js3"]],
  match: [(q) => q.match({ entityType: "item", entityId: "5" }), ["js5"]],
  not: [(q) => q.not("id", "in", "(js1,js2,js3)"), ["js4", "js5"]],
  or: [(q) => q.or('id.eq.js1,and(id.gt.js3,externalId.neq."X 4, (4)")'), ["js1", "js5"]],
  filter: [(q) => q.filter("metadata->>n", "in", '("1","2")'), ["js1", "js2"]],
};
for (const [name, [narrow, expected]] of Object.entries(filters)) {
  test(`filter: ${name}`, async () => {
    const { data, error } = await narrow(mappings().select("id").order("id"));
    assert.equal(error, null);
    assert.deepEqual(ids(data), expected);
  });
}

test("order, range and count", async () => {
  const { data, count, status } = await mappings()
    .select("id", { count: "exact" })
    .order("entityType", { nullsFirst: true })
    .order("id", { ascending: false })
    .range(1, 2);
  assert.deepEqual([ids(data), count, status], [["js4", "js3"], 5, 206]);
});

test("a count alone", async () => {
  const { data, count } = await mappings().select("*", { count: "exact", head: true });
  assert.deepEqual([data, count], [null, 5]);
});

test("single and maybeSingle", async () => {
  const one = await mappings().select("id").eq("id", "js1").single();
  assert.deepEqual(one.data, { id: "js1" });
  const none = await mappings().select("id").eq("id", "nobody").maybeSingle();
  assert.deepEqual([none.data, none.error], [null, null]);
  const several = await mappings().select("id").single();
  assert.deepEqual([several.status, several.error.code], [406, "PGRST116"]);
});

test("embedding, renaming, json paths and casts", async () => {
  const { data, error } = await mappings()
    .select("key:id, n:metadata->n, at:createdAt::date, company!inner(id)")
    .eq("id", "js2")
    .single();
  assert.equal(error, null);
  assert.deepEqual([data.key, data.n, data.at.length, Object.keys(data.company)], ["js2", 2, 10, ["id"]]);
});

test("csv", async () => {
  const { data } = await mappings().select("id,externalId").eq("id", "js1").csv();
  assert.equal(data, 'id,externalId\njs1,"X 1, (1)"');
});

test("stripped nulls", async () => {
  const { data } = await mappings().select("id,link").eq("id", "js1").stripNulls();
  assert.deepEqual(data, [{ id: "js1" }]);
});

test("insert, upsert, update, delete", async () => {
  const made = await mappings().insert(row(9)).select("id").single();
  assert.deepEqual([made.status, made.data], [201, { id: "js9" }]);
  const merged = await mappings()
    .upsert({ ...row(9), externalId: "new" }, { onConflict: "entityType,entityId,integration" })
    .select("externalId");
  assert.deepEqual(merged.data, [{ externalId: "new" }]);
  const ignored = await mappings().upsert(row(9), { ignoreDuplicates: true, onConflict: "id" }).select();
  assert.deepEqual(ignored.data, []);
  const several = await mappings()
    .insert([row(10), { id: "js11", entityType: "item", entityId: "11", integration: "xero" }], { defaultToNull: false })
    .select("id,allowDuplicateExternalId");
  assert.deepEqual(several.data[1], { id: "js11", allowDuplicateExternalId: false });
  const changed = await mappings().update({ link: "https://x.example" }, { count: "exact" }).eq("id", "js9");
  assert.deepEqual([changed.status, changed.count], [204, 1]);
  const removed = await mappings().delete().in("id", ["js9", "js10", "js11"]).select("id,link").order("id");
  assert.deepEqual(ids(removed.data), ["js10", "js11", "js9"]);
});

test("errors are objects", async () => {
  const taken = await mappings().insert(row(1));
  assert.equal(taken.status, 409);
  assert.equal(taken.error.code, "23505");
  assert.match(taken.error.hint, /js1$/);
  const unknown = await mappings().select("nothing");
  assert.deepEqual([unknown.status, unknown.error.code], [400, "42703"]);
  const all = await mappings().delete();
  assert.deepEqual([all.status, all.error.code], [400, "21000"]);
});

test("a dry run", async () => {
  const { data } = await mappings().delete().eq("id", "js1").select("id").rollback();
  assert.deepEqual(data, [{ id: "js1" }]);
  const { count } = await mappings().select("*", { count: "exact", head: true });
  assert.equal(count, 5);
});

test("an unknown function", async () => {
  const { error, status } = await client.rpc("no_such_function", { a: 1 });
  assert.deepEqual([status, error.code], [404, "PGRST202"]);
});
