-- For wrk: posts one body over and over, and prints one JSON line at the end.
-- wrk … -s post.lua URL -- FILE
function init(args)
    local file = assert(io.open(args[1], "rb"))
    wrk.method = "POST"
    wrk.body = file:read("*a")
    wrk.headers["Content-Type"] = "application/json"
    file:close()
end

function done(summary, latency)
    local e = summary.errors
    print(string.format(
        '{"requests": %d, "us": %d, "faults": %d, "p50_us": %.1f, "p99_us": %.1f}',
        summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
