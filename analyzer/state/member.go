package state

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// membersFile says as which member of which consumer group the process that has
// this folder works.
const membersFile = "members.json"

// NoteMember keeps as which member of a group this process works, so that its next
// life can say goodbye for it. Without a folder nothing is kept.
func (s *Store) NoteMember(group, id string) error {
	if s.dir == "" {
		return nil
	}
	s.members.Lock()
	defer s.members.Unlock()
	all := s.readMembers()
	if all[group] == id {
		return nil
	}
	all[group] = id
	b, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("note member: %w", err)
	}
	path := filepath.Join(s.dir, membersFile)
	err = os.WriteFile(path+".tmp", b, 0o600)
	if err == nil {
		err = os.Rename(path+".tmp", path) // A crash costs the note at most: the group notices by itself.
	}
	if err != nil {
		return fmt.Errorf("note member: %w", err)
	}
	return nil
}

// Member is as which member of a group the process that last had this folder worked.
func (s *Store) Member(group string) (id string, ok bool) {
	if s.dir == "" {
		return "", false
	}
	s.members.Lock()
	defer s.members.Unlock()
	id, ok = s.readMembers()[group]
	return id, ok
}

// readMembers returns what is noted, nothing where the file cannot be read.
func (s *Store) readMembers() map[string]string {
	all := make(map[string]string)
	b, err := os.ReadFile(filepath.Join(s.dir, membersFile))
	if err == nil && json.Unmarshal(b, &all) != nil || all == nil {
		return make(map[string]string)
	}
	return all
}
