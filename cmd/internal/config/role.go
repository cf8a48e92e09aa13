package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Roles of a configuration file.
const (
	RoleGateway  = "gateway"
	RoleAnalyzer = "analyzer"
)

// RoleOf is the role that knows more of a file's top-level keys; the gateway
// where both know as many. An error is one in the program.
func RoleOf(keys []string) (string, error) {
	best, most := "", -1
	for _, role := range []string{RoleGateway, RoleAnalyzer} {
		root, err := roleTree(role)
		if err != nil {
			return "", err
		}
		n := len(root.among(keys, true))
		if n > most {
			best, most = role, n
		}
	}
	return best, nil
}

// roleTree is what the file of a role may hold.
func roleTree(role string) (*field, error) {
	if role == RoleAnalyzer {
		return treeOf(reflect.TypeFor[Analyzer]())
	}
	return treeOf(reflect.TypeFor[Gateway]())
}

// among are those of names that f has as children, or those that it has not.
func (f *field) among(names []string, has bool) []string {
	var some []string
	for _, name := range names {
		if (f.child(name) != nil) == has {
			some = append(some, name)
		}
	}
	return some
}

// mistaken says that a file with these top-level keys is that of another role
// than the one whose keys root has; "" where it is not. Told key by key, that
// one mistake would be dozens.
func mistaken(root *field, keys []string) (string, error) {
	unknown := root.among(keys, false)
	if len(unknown) == 0 {
		return "", nil
	}
	if sections := sectionsOfUp(root, keys); len(sections) > 0 {
		return fmt.Sprintf("looks like a file for \"vigil up --config\" (%s), which says itself what is wrong before it starts anything; "+
			"what stands below a section is the configuration of the service of that name", strings.Join(sections, ", ")), nil
	}
	role, err := RoleOf(keys)
	if err != nil {
		return "", err
	}
	theirs, err := roleTree(role)
	if err != nil {
		return "", err
	}
	strange := theirs.among(unknown, true)
	if theirs.typ == root.typ || len(theirs.among(keys, true)) <= len(root.among(keys, true)) {
		return "", nil
	}
	text := fmt.Sprintf("looks like the configuration of vigil-%s (%s)", role, strings.Join(firstFew(strange), ", "))
	if root.child(role) != nil { // The file of both roles in one.
		return fmt.Sprintf("%s; here that stands below a section %q", text, role), nil
	}
	other := RoleGateway
	if role == RoleGateway {
		other = RoleAnalyzer
	}
	return fmt.Sprintf("%s, and this needs that of vigil-%s; \"vigil config init %s\" prints one to begin with", text, other, other), nil
}

// sectionsOfUp are the roles that a file of both has as sections; none where root
// knows them, or where the file has any other key.
func sectionsOfUp(root *field, keys []string) []string {
	var sections []string
	for _, key := range keys {
		switch {
		case root.child(key) != nil: // Such as telemetry, which both files may have.
		case key == RoleGateway || key == RoleAnalyzer:
			sections = append(sections, key)
		default:
			return nil
		}
	}
	return sections
}

// FileKeys lists the top-level keys that a file has, none where it is not
// YAML: then every role has the same to say about it.
func FileKeys(file string) []string {
	content, err := os.ReadFile(file) //nolint:gosec // The operator names it.
	if err != nil {
		return nil
	}
	return topKeys(content)
}

func topKeys(content []byte) []string {
	var doc yaml.Node
	err := yaml.Unmarshal(content, &doc)
	if err != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil
	}
	var keys []string
	for i := 0; i < len(doc.Content[0].Content); i += 2 {
		keys = append(keys, doc.Content[0].Content[i].Value)
	}
	return keys
}
