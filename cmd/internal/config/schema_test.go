package config_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-gateway/vigil/cmd/internal/config"
)

// TestSchema looks at one of each kind of value.
func TestSchema(t *testing.T) {
	b, err := config.Schema("sample", defaults())
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	err = json.Unmarshal(b, &got)
	if err != nil {
		t.Fatal(err)
	}
	at := func(path ...string) any {
		var v any = got
		for _, p := range path {
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[p]
		}
		return v
	}
	for _, tt := range []struct {
		path []string
		want any
	}{
		{[]string{"$schema"}, "https://json-schema.org/draft/2020-12/schema"},
		{[]string{"additionalProperties"}, false},
		{[]string{"properties", "listen", "properties", "read_timeout", "default"}, "5s"},
		{[]string{"properties", "listen", "properties", "header_bytes", "default"}, "64KiB"},
		{[]string{"properties", "listen", "properties", "trusted_hops", "minimum"}, 0.0},
		{[]string{"properties", "routes", "items", "properties", "sign_in", "additionalProperties"}, false},
		{[]string{"properties", "routes", "items", "properties", "public", "type"}, "boolean"},
	} {
		if diff := cmp.Diff(tt.want, at(tt.path...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.path, diff)
		}
	}
}
