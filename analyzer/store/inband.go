package store

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// inBand is a transport that knows an insert which was answered 200 and failed
// all the same. A server that has sent its status line before the fault can only
// write it into the body: new ones between markers, which the driver knows, those
// before 25.8 as bare text, which it takes for success. An insert that succeeds
// has an empty body, so nothing else can be meant.
type inBand struct{ *http.Transport }

// RoundTrip returns an error where the answer to an insert holds one.
func (t inBand) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(req.URL.Query().Get("query"), "INSERT ") {
		return resp, err //nolint:wrapcheck // A transport passes on what the next one says.
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, inBandBytes))
	_ = resp.Body.Close() // All of it that matters has been read.
	if err != nil {
		return nil, fmt.Errorf("read the answer to an insert: %w", err)
	}
	if resp.Header.Get("X-Clickhouse-Exception-Code") != "" || bytes.Contains(body, []byte("DB::Exception")) {
		return nil, fmt.Errorf("the insert was answered 200 and failed: %.500q", body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
