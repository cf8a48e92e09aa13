package config

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// leafOf splits routes[2].match.host into the list routes, which viper can
// set, and the steps [2] match host below it. Without an index there are no steps.
func leafOf(path string) (leaf string, steps []string) {
	leaf, rest, found := strings.Cut(path, "[")
	if !found {
		return path, nil
	}
	for part := range strings.SplitSeq("["+rest, ".") {
		name, entries, indexed := strings.Cut(part, "[")
		if name != "" {
			steps = append(steps, name)
		}
		if !indexed {
			continue
		}
		for entry := range strings.SplitSeq(entries, "[") {
			steps = append(steps, "["+entry)
		}
	}
	return leaf, steps
}

// dig returns the value at a dotted path without indices, nil where there is none.
func dig(m map[string]any, path string) any {
	var at any = m
	for name := range strings.SplitSeq(path, ".") {
		section, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = section[name]
	}
	return at
}

// replaced returns a copy of at in which the value at steps is v. A list may
// grow by one entry: routes[1].id appends where there is one route.
func replaced(at any, steps []string, v any) (any, error) {
	if len(steps) == 0 {
		return v, nil
	}
	step := steps[0]
	if !strings.HasPrefix(step, "[") {
		section, _ := at.(map[string]any)
		out := make(map[string]any, len(section)+1)
		maps.Copy(out, section)
		value, err := replaced(out[step], steps[1:], v)
		if err != nil {
			return nil, err
		}
		out[step] = value
		return out, nil
	}
	list, _ := at.([]any)
	i, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(step, "["), "]"))
	if err != nil || i < 0 {
		return nil, fmt.Errorf("index %s: needs a number from 0", step)
	}
	if i > len(list) {
		return nil, fmt.Errorf("index %s: the list has %d entries, so the next one is [%d]", step, len(list), len(list))
	}
	out := append([]any(nil), list...)
	if i == len(out) {
		out = append(out, nil)
	}
	out[i], err = replaced(out[i], steps[1:], v)
	return out, err
}
