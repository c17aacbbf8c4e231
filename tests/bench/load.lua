-- SPDX-FileCopyrightText: the Symbolon authors
-- SPDX-License-Identifier: Apache-2.0
--
-- For wrk: sends the requests of a file, made beforehand, one after the other and from the beginning again.
-- The file has, for each, its length in decimal, a line feed, and its bytes: so credentials stand in a file
-- that only its owner may read, and building requests costs the load generator nothing.
local requests, at = {}, 0

function init(arguments)
    local file = assert(io.open(arguments[1], "rb"))
    for length in function() return file:read("*l") end do
        requests[#requests + 1] = file:read(tonumber(length))
    end
    file:close()
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"seconds":%.6f,"bytes":%.0f,"refused":%d,"broken":%d,"p50_us":%.0f,"p99_us":%.0f}\n',
        summary.requests, summary.duration / 1e6, summary.bytes, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
