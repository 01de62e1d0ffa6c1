-- The requests of one measurement. Arguments: kind, a prefix for keys, the token, and a number (of keys, or the first
-- payment). Every connection of wrk's one thread takes the next number.

local kind, prefix, token, number
local made = 0
local headers = {}

local function charge(key, trip)
  local body = string.format(
    '{"idempotency_key":"%s","trip_id":%d,"method":"CARD","amount":150.0}', key, trip)
  return wrk.format("POST", "/payments", headers, body)
end

local function refund(key, payment)
  local body = string.format('{"idempotency_key":"%s","amount":0.01}', key)
  return wrk.format("POST", string.format("/payments/%d/refunds", payment), headers, body)
end

local kinds = {}

function kinds.echo() return wrk.format("POST", "/echo", headers,
    '{"idempotency_key":"prefix-1234567","trip_id":7,"method":"CARD","amount":150.0}') end
function kinds.create() return charge(prefix .. "-" .. made, 1 + made % 1000) end
function kinds.replay() local n = made % number; return charge(prefix .. "-" .. n, 1 + n % 1000) end
-- One key at a time for everybody; after 200 requests another one.
function kinds.conflict() return charge(prefix .. "-" .. math.floor(made / 200), 7) end
function kinds.hot() return charge(prefix .. "-0", 7) end
function kinds.refund() return refund(prefix .. "-" .. made, number + made % 200) end
function kinds.get() return wrk.format("GET", "/payments/" .. (number + made % 200), headers) end
function kinds.list() return wrk.format("GET", "/payments?limit=20&cursor=" .. prefix, headers) end
-- Of twenty requests ten charge, two repeat, two refund, five look one up and one lists.
function kinds.mixed()
  local turn = made % 20
  if turn < 10 then return charge(prefix .. "-" .. made, 1 + made % 1000) end
  if turn < 12 then return charge(prefix .. "-" .. (made - turn), 1 + (made - turn) % 1000) end
  if turn < 14 then return refund(prefix .. "-r" .. made, number + made % 200) end
  if turn < 19 then return wrk.format("GET", "/payments/" .. (number + made % 200), headers) end
  return wrk.format("GET", "/payments?limit=20", headers)
end

function init(args)
  kind, prefix, token, number = kinds[args[1]], args[2], args[3], tonumber(args[4] or "0")
  headers["Content-Type"] = "application/json"
  headers["Authorization"] = "Bearer " .. token
end

function request()
  made = made + 1
  return kind()
end

function done(summary, latency, requests)
  io.stdout:write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
