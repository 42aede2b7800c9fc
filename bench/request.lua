-- The requests that wrk sends: METHOD PATH with a random id, and the key. At the end it prints one line of figures.
local ids, method, path, body = {}, os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH"), os.getenv("BENCH_BODY")
local headers = { ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY") }
for line in io.lines(os.getenv("BENCH_IDS")) do ids[#ids + 1] = line end
if body then headers["Content-Type"] = "application/json" end
math.randomseed(tonumber(os.getenv("BENCH_SEED")))
local sent = 0

-- ID stands for the random id, NEW for a text that was never sent before.
local function filled(template, id)
  return (template:gsub("ID", id):gsub("NEW", os.getenv("BENCH_SEED") .. "-" .. sent))
end

request = function()
  local id = ids[math.random(#ids)]
  sent = sent + 1
  return wrk.format(method, filled(path, id), headers, body and filled(body, id))
end

done = function(summary, latency)
  local failed = summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect
  io.write(string.format("figures %d %d %d %d %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
