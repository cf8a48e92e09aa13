// Package cloudevent writes and reads CloudEvents 1.0 in Kafka binary mode:
// the record's value is the data, each attribute is a header ce_NAME, and
// content-type says how the data is encoded.
//
// # Contract
//
// Every record that Vigil writes carries specversion, id, source, type, time
// and content-type, and a W3C traceparent where a trace is known. A record
// without headers is read as protobuf, so that a plain producer can feed Vigil.
//
// # Non-obvious
//
// content-type has no ce_ prefix, and a content-type that starts with
// application/cloudevents means structured mode, which is refused.
package cloudevent
