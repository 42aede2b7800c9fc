// Clients of openapi-typescript's types against a running server: TIELINE_URL, TIELINE_KEY (a key that may write), KEY_ID.
import createClient from "openapi-fetch";

import type { paths as ElementPaths } from "./element.js";
import type { components, paths as MappingPaths } from "./mapping.js";

declare const process: { env: Record<string, string | undefined> };

const { TIELINE_URL: baseUrl, TIELINE_KEY: key = "", KEY_ID: keyId = "" } = process.env;
const headers = { Authorization: `Bearer ${key}` };
const element = createClient<ElementPaths>({ baseUrl, headers });
const mapping = createClient<MappingPaths, "application/json">({ baseUrl, headers });

function equal(found: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(expected)];
  if (one !== other) throw new Error(`${one} instead of ${other}`);
}

async function elements(): Promise<void> {
  const params = { path: { id: 7 } };
  const made = await element.POST("/api/v2/elements", { body: { id: 7, title: "Seven" } });
  equal(made.data?.title, "Seven");
  const link = "/api/v2/elements/{id}/external-element/link" as const;
  const nested = await element.POST(link, { params, body: { externalElement: { externalId: "A" } } });
  equal(nested.data?.externalElement.externalId, "A");
  const flat = await element.POST(link, { params, body: { link: "https://cms.example/a" } });
  equal(flat.data?.externalElement, { externalId: "A", link: "https://cms.example/a" });
  const listed = await element.GET("/api/v2/elements/{id}/external-elements", { params });
  equal(listed.data?.length, 1);
  const unlink = "/api/v2/elements/{id}/external-element/unlink" as const;
  equal((await element.POST(unlink, { params })).response.status, 200);
  const refused = await element.POST(unlink, { params });
  equal(refused.error?.status, 404);
  const token = await element.POST("/api/v2/auth/token", {
    body: { grant_type: "client_credentials", client_id: keyId, client_secret: key, scope: "api.read" },
  });
  equal(token.data?.scope, "api.read");
}

async function mappings(): Promise<void> {
  const table = "/externalIntegrationMapping" as const;
  const row = (n: number): components["schemas"]["externalIntegrationMappingWrite"] => ({
    entityType: "item",
    entityId: String(n),
    integration: "crm",
    externalId: `C${n}`,
  });
  const plain = await mapping.POST(table, { body: row(1) });
  equal([plain.response.status, plain.data, plain.error], [201, undefined, undefined]);
  const shown = await mapping.POST(table, {
    params: { header: { Prefer: "return=representation" } },
    body: [row(2), row(3)],
  });
  equal(shown.data?.map((one) => one.externalId), ["C2", "C3"]);
  const listed = await mapping.GET(table, { params: { query: { entityId: "in.(1,2)", select: "entityId", order: "entityId" } } });
  equal(listed.data, [{ entityId: "1" }, { entityId: "2" }]);
  const asked = await mapping.GET("/rpc/resolve", { params: { query: { integration: "crm", externalIds: ["C1", "none"] } } });
  equal(asked.data?.map((one) => one.status), ["linked", "unknown"]);
  const many = await mapping.POST("/rpc/link_many", { body: { mappings: [row(4)], onConflict: "move" } });
  equal(many.data?.map((one) => one.outcome), ["created"]);
  const claimed = await mapping.POST("/rpc/claim", {
    body: { entityType: "item", entityId: "5", integration: "crm", externalId: "C5" },
  });
  equal(claimed.data?.outcome, "created");
  const who = await mapping.GET("/rpc/whoami");
  equal([who.data?.keyId, who.data?.scopes], [keyId, ["api.read", "api.write"]]);
  const ended = await mapping.POST("/rpc/unlink_many", {
    body: { integration: "crm", entityType: "item", entityIds: ["4", "none"] },
  });
  equal(ended.data?.map((one) => one.outcome), ["deleted", "unknown"]);
  const refused = await mapping.POST(table, { body: row(1) });
  equal(refused.error?.code, "23505");
}

await elements();
await mappings();
