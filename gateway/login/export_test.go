package login

// Renewing is how many renewals are under way.
func (l *Login) Renewing() int { return len(l.renewals) }

// ReloadRing reads the key ring's file as its follower does.
func (l *Login) ReloadRing() error {
	_, err := l.ring.reload()
	return err
}

// RingFile is where the key ring is.
func (l *Login) RingFile() string { return l.ring.file }

// ReturnTo is where a return_to leads.
func ReturnTo(raw, prefix string) string { return returnTo(raw, prefix) }

// ParseRing reports whether text is a key ring.
func ParseRing(text []byte) (int, error) {
	keys, err := parseRing(text)
	return len(keys), err
}

// OwnerOf is the id of the peer that owns a session.
func OwnerOf(all []Peer, session string) string { return (&peers{all: all}).owner(session).ID }

// Opens reports whether a ring opens a value for any purpose.
func Opens(file, sealed string) (bool, error) {
	r, err := openRing(file)
	if err != nil {
		return false, err
	}
	for _, p := range []string{purposeSession, purposeFlow, purposeDevice, purposeForm, purposePeer} {
		_, err := r.open(p, sealed)
		if err == nil {
			return true, nil
		}
	}
	return false, nil
}
