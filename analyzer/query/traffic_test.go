//go:build bench

package query_test

// traffic is a week of one tenant in the order in which it happens: 20,000
// subjects, a tenth of whom are active in an hour, with about thirty requests
// each, of whom a few ask most. What is random in life is as random here: ids
// are UUIDv7 of the event's own time, pseudonyms 16 bytes, tokens and traces
// too, one quarter of a day in four is spent away from home, times have microseconds, sizes and durations are log-normal, and of the
// paths with an id every third names one that was never seen. Gateways and
// lanes number densely; a cut is a second of one partition.
//
// Parameters: {from} and {rows} of this chunk, {start} and {step} in microseconds.
const traffic = `
INSERT INTO requests
(
    tenant, time, kind, id, phase, other_request_id, gateway, epoch, lane, seq, subject, issuer, session, token_id, client_id, device, binding,
    auth_method, acr, amr, auth_time, subject_kind, address, asn, as_org, country, latitude, longitude, accuracy_radius_km, network_tags, ja4, user_agent,
    method, host, other_path, route, template, resource, sensitivity, region, status, decision, reason, auth_outcome, account, bytes_in, bytes_out, duration_us,
    waf_score, waf_rules, trace_id, attributes, stream, support_code, kafka_topic, kafka_partition, kafka_offset, ingested_at
)
WITH
    intDiv(number, 4) % 64 AS of_lane,
    {start} + number * {step} + rand64(1) % {step} AS us,
    intDiv(us, 3600000000) AS on_hour,
    toUInt8(pow(32, rand64(2) / 18446744073709551615.) - 1) AS busy,
    of_lane + 64 * ((sipHash64(on_hour, of_lane) + busy) % 313) AS who,
    lower(hex(sipHash128('id', number))) AS random,
    sipHash64('place', who, if(sipHash64(who, intDiv(on_hour, 6)) % 4 = 0, intDiv(on_hour, 6), 0)) AS place,
    sipHash64('agent', who, on_hour % 2) AS agent,
    rand64(3) AS r,
    [('accounts', '/v1/accounts/{id}', 'GET'), ('accounts', '/v1/accounts/{id}/transactions', 'GET'), ('accounts', '/v1/accounts', 'GET'),
     ('orders', '/v1/orders/{id}', 'GET'), ('orders', '/v1/orders', 'POST'), ('orders', '/v1/orders', 'GET'), ('search', '/v1/search', 'GET'),
     ('files', '/v1/files/{id}', 'GET'), ('profile', '/v1/profile', 'GET'), ('profile', '/v1/profile/settings', 'PUT'),
     ('reports', '/v1/reports/{id}', 'GET'), ('feed', '/v1/feed', 'GET')] AS ways,
    ways[1 + least(11, toUInt8(pow(13, (r % 10000) / 10000.)) - 1)] AS way,
    sipHash64(if(intDiv(r, 10000) % 3 = 0, number, who * 8 + intDiv(r, 30000) % 8), way.2) AS object,
    if(position(way.2, '{id}') = 0, '', if(way.1 = 'files', concat(substring(lower(hex(object)), 1, 8), '-', lower(hex(sipHash64(object)))), toString(object % 5000000))) AS named,
    intDiv(r, 1000000) % 1000 AS luck
SELECT
    'default', fromUnixTimestamp64Micro(toInt64(us), 'UTC'), 'request',
    concat(substring(hexMs, 1, 8), '-', substring(hexMs, 9, 4), '-7', substring(random, 1, 3), '-', substring('89ab', 1 + r % 4, 1), substring(random, 4, 3), '-', substring(random, 7, 12)),
    'complete', '', concat('gw-', toString(number % 4)), 1790000000000000000, of_lane, intDiv(number, 256) + 1,
    substring(base64URLEncode(toString(sipHash128('subject', who))), 1, 22), 'https://id.example.com', substring(base64URLEncode(toString(sipHash128('session', who, on_hour))), 1, 22),
    toString(reinterpretAsUUID(sipHash128('token', who, on_hour))), ['web', 'ios', 'android'][1 + who % 3], if(who % 2 = 0, substring(base64URLEncode(toString(sipHash128('device', who))), 1, 22), ''),
    if(who % 2 = 0, 'cookie', 'none'), 'jwt', 'urn:example:acr:1', ['pwd'], fromUnixTimestamp64Micro(toInt64(on_hour * 3600000000 - sipHash64(who, on_hour) % 600000000), 'UTC'), 'human',
    if(place % 5 = 0, IPv6NumToString(sipHash128('v6', place)), IPv4NumToString(toUInt32(place))), 64496 + place % 400, concat('Network of Example ', toString(place % 400)),
    ['DE', 'FR', 'US', 'BR', 'JP', 'PL', 'ES', 'IT', 'NL', 'GB', 'IN', 'CA'][1 + who % 12], round(48 + who % 12 + place % 20000 / 10000, 4), round(8 + who % 70 / 10. + intDiv(place, 20000) % 20000 / 10000, 4),
    20, if(who % 10 = 0, ['mobile'], []), concat('t13d1516h2_', substring(lower(hex(sipHash64('j', agent % 40))), 1, 12), '_', substring(lower(hex(sipHash64('k', agent % 40))), 1, 12)),
    concat('Mozilla/5.0 (', ['Windows NT 10.0; Win64; x64', 'Macintosh; Intel Mac OS X 10_15_7', 'X11; Linux x86_64', 'iPhone; CPU iPhone OS 19_1 like Mac OS X', 'Linux; Android 16; Pixel 9'][1 + agent % 5],
        ') AppleWebKit/537.36 (KHTML, like Gecko) Chrome/', toString(128 + agent % 12), '.0.', toString(6000 + agent % 7), '.', toString(agent % 90), ' Safari/537.36'),
    way.3, 'api.example.com', '', way.1, way.2, named, if(way.1 = 'accounts', 'high', 'normal'), 'eu-1',
    multiIf(luck < 10, 403, luck < 25, 404, luck < 28, 502, way.3 = 'POST', 201, 200), if(luck < 10, 'deny', 'permit'), if(luck < 10, 'scope', ''),
    multiIf(luck >= 990, 'failure', luck >= 970, 'success', 'none'), if(luck >= 970, substring(base64URLEncode(toString(sipHash128('account', who))), 1, 22), ''),
    if(way.3 = 'GET', 0, toUInt64(randLogNormal(6, 1))), toUInt64(randLogNormal(8, 1.4)), toUInt64(randLogNormal(10, 0.8)),
    0, [], lower(hex(sipHash128('trace', number))), map('roles', 'customer'), 'request', if(luck < 10, concat('VG-', substring(hex(sipHash64('code', number)), 1, 4), '-', substring(hex(sipHash64('code', number)), 5, 4)), ''),
    'vigil.requests', toInt32(of_lane % 16), toInt64(intDiv(number, 256) * 16 + number % 4 + 4 * intDiv(of_lane, 16)),
    fromUnixTimestamp64Milli(toInt64((intDiv(us, 1000000) + 1) * 1000 + sipHash64(of_lane % 16, intDiv(us, 1000000)) % 1000), 'UTC')
FROM (SELECT number, lower(leftPad(hex(toUInt64(intDiv({start} + number * {step}, 1000))), 12, '0')) AS hexMs FROM numbers({from}, {rows}))`

// judged is what stands beside those requests: an assessment each, evidence
// for some, 2,000 verdicts of ten million events.
var judged = []string{ //nolint:gochecknoglobals // A constant: Go has no constant lists.
	`INSERT INTO assessments (tenant, time, stream_time, event_id, subject, session, address, score, session_score, action, model, shared_epoch, phase, source_topic, source_partition, source_offset, kafka_topic, kafka_partition, kafka_offset, ingested_at)
WITH sipHash64(id) AS r
SELECT tenant, time, time, id, subject, session, address, if(r % 100 < {evidence}, intDiv(r, 100) % 1000000 / 250000, 0) AS score, if(r % 100 < {suspected}, 8 * pow(r / 18446744073709551616., 8), 0), if(r % 5000 = 0, 'step_up', 'observe'),
    'sha256:3f1c', 41, 'complete', kafka_topic, kafka_partition, kafka_offset, 'vigil.assessments', kafka_partition, intDiv(kafka_offset, 20), ingested_at + 0.5
FROM requests`,
	`INSERT INTO evidence (tenant, time, event_id, subject, session, ordinal, signal, signal_group, nats, raw_nats, text, technique, model, kafka_topic, kafka_partition, kafka_offset, ingested_at)
WITH sipHash64(id) AS r
SELECT tenant, time, id, subject, session, 0, ['network.new_network', 'time.unusual_hour', 'volume.bytes_out', 'client.new_family', 'walk.ids'][1 + r % 5], ['network', 'time', 'volume', 'client', 'walk'][1 + r % 5],
    intDiv(r, 100) % 1000000 / 250000, intDiv(r, 100) % 1000000 / 250000, concat('not seen before: ', toString(asn), ', ', as_org), 'T1078', 'sha256:3f1c', 'vigil.assessments', kafka_partition, intDiv(kafka_offset, 20), ingested_at + 0.5
FROM requests WHERE r % 100 < {evidence}`,
	`INSERT INTO verdicts (tenant, time, id, epoch, seq, authority, target_kind, target_id, action, until, score, evidence_signal, evidence_group, evidence_nats, evidence_text, model, origin, subject, cause_event_id, ingested_at)
SELECT tenant, time, concat('v', id), 1, kafka_offset, 'subject', 'session', session, 'step_up', time + 1800, 9, ['network.new_network'], ['network'], [9], ['not seen before'], 'sha256:3f1c', 'model', subject, id, ingested_at
FROM requests WHERE sipHash64(id) % 5000 = 0`,
	`INSERT INTO enforcements (tenant, time, id, verdict_id, action, stream, session, subject, event_to_cut_us, apply_us, ingested_at)
SELECT tenant, time, concat('e', id), concat('v', id), 'step_up', 'request', session, subject, kafka_offset % 9000, 100, ingested_at
FROM requests WHERE sipHash64(id) % 5000 = 0`,
}
