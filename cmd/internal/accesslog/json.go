package accesslog

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// ErrJSON says that a line's JSON object lacks what an access log has.
var ErrJSON = errors.New("no client, method, path and status in the JSON object, by any name that is known")

// jsonDepthMax bounds how deep fields are looked for: Caddy nests the request
// and its headers.
const jsonDepthMax = 3

// Names that servers give the same thing, lower case, dashes as underscores,
// nested ones joined by dots; the first that is there counts. They are those of
// Caddy, Traefik, Envoy and of the formats that people write for nginx.
//
//nolint:gochecknoglobals // Constants: Go has no constant lists.
var (
	jsonAddress = []string{
		"client_ip", "request.client_ip", "request.remote_ip", "clienthost", "remote_addr", "remote_ip",
		"clientip", "client_addr", "client", "ip", "source_ip", "downstream_remote_address", "clientaddr", "remote_address",
	}
	jsonMethod  = []string{"method", "request_method", "request.method", "requestmethod", "http_method", "verb"}
	jsonPath    = []string{"request.uri", "request_uri", "uri", "requestpath", "x_envoy_original_path", "x_envoy_origin_path", "path", "request_path", "url", "request.url"}
	jsonRequest = []string{"request", "request_line"}
	jsonQuery   = []string{"query_string", "args", "query"}
	jsonStatus  = []string{"status", "downstreamstatus", "response_code", "status_code", "statuscode", "response.status", "originstatus", "code"}
	jsonBytes   = []string{"size", "bytes_sent", "body_bytes_sent", "downstreamcontentsize", "response_size", "bytes"}
	jsonAgent   = []string{
		"request.headers.user_agent", "http_user_agent", "user_agent", "useragent", "request_user_agent", "http_user_agent", "agent",
	}
	jsonHost    = []string{"request.host", "requesthost", "http_host", ":authority", "authority", "host", "server_name", "vhost"}
	jsonUser    = []string{"user_id", "remote_user", "clientusername"}
	jsonReferer = []string{"request.headers.referer", "http_referer", "referer", "request_referer"}
	jsonTime    = []string{"ts", "start_time", "startutc", "time_iso8601", "@timestamp", "timestamp", "time", "time_local", "msec", "date"}
)

// parseJSON reads a line that is, or ends in, one JSON object.
func parseJSON(line string, e *event.RequestEvent) error {
	at := strings.IndexByte(line, '{')
	if at < 0 {
		return ErrTime
	}
	d := json.NewDecoder(bytes.NewReader([]byte(line[at:])))
	d.UseNumber()
	var object map[string]any
	err := d.Decode(&object)
	if err != nil {
		return ErrTime
	}
	f := fields{}
	f.flatten("", object, jsonDepthMax)
	stamp, ok := f.time()
	if !ok {
		return ErrTime
	}
	address, ok := parseAddress(f.first(jsonAddress))
	if !ok {
		return ErrJSON
	}
	status, err := strconv.ParseUint(f.first(jsonStatus), 10, 32)
	if err != nil || status > 999 {
		return ErrJSON
	}
	e.Kind, e.Phase, e.Time = event.KindRequest, event.PhaseComplete, timestamppb.New(stamp)
	e.Address, e.Status = address, uint32(status)
	e.BytesOut, _ = strconv.ParseUint(f.first(jsonBytes), 10, 64)
	e.UserAgent, e.Host = dash(f.first(jsonAgent)), dash(f.first(jsonHost))
	if !f.request(e) {
		return ErrJSON
	}
	ref := dash(f.first(jsonReferer))
	if ref != "" {
		setAttribute(e, "referer", ref)
	}
	setUser(e, dash(f.first(jsonUser)))
	e.Clamp()
	return e.Check()
}

// fields are the values of an object by their names.
type fields map[string]string

// flatten takes the texts and numbers of an object; of a list, as headers are,
// the first.
func (f fields) flatten(prefix string, object map[string]any, depth int) {
	for name, v := range object {
		key := prefix + strings.ReplaceAll(strings.ToLower(name), "-", "_")
		if list, is := v.([]any); is && len(list) > 0 {
			v = list[0]
		}
		switch v := v.(type) {
		case string:
			f[key] = v
		case json.Number:
			f[key] = v.String()
		case map[string]any:
			if depth > 1 {
				f.flatten(key+".", v, depth-1)
			}
		}
	}
}

func (f fields) first(names []string) string {
	for _, name := range names {
		if v := f[name]; v != "" {
			return v
		}
	}
	return ""
}

// request reads method and target, apart or as one request line.
func (f fields) request(e *event.RequestEvent) bool {
	method, target := f.first(jsonMethod), f.first(jsonPath)
	if method == "" || target == "" {
		line := f.first(jsonRequest)
		setRequest(e, line)
		return line != ""
	}
	u, err := url.Parse(target)
	if err == nil && u.Host != "" {
		target = u.RequestURI()
	}
	if q := strings.TrimPrefix(dash(f.first(jsonQuery)), "?"); q != "" && !strings.Contains(target, "?") {
		target += "?" + q
	}
	setRequest(e, strings.ToUpper(method)+" "+target)
	return e.GetMethod() != ""
}

// time reads seconds since 1970, with or without a fraction, or a text.
func (f fields) time() (time.Time, bool) {
	for _, name := range jsonTime {
		text := f[name]
		if text == "" {
			continue
		}
		seconds, err := strconv.ParseFloat(text, 64)
		if err == nil && seconds > 0 && seconds < math.MaxInt32 {
			whole, part := math.Modf(seconds)
			return time.Unix(int64(whole), int64(part*1e9)).UTC(), true
		}
		for _, layout := range []string{time.RFC3339, timeLayout, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05", "2006/01/02 15:04:05"} {
			stamp, err := time.Parse(layout, text)
			if err == nil {
				return stamp, true
			}
		}
	}
	return time.Time{}, false
}
