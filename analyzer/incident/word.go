package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Words that people say about an incident.
const (
	WordAssign      = "assign"
	WordAcknowledge = "acknowledge"
	WordClose       = "close"
	WordReopen      = "reopen"
	WordNote        = "note"
)

// States of an incident.
const (
	StateOpen         = "open"
	StateAcknowledged = "acknowledged"
	StateClosed       = "closed"
)

// ErrWord means that a word is none that an incident knows, or not what was signed.
var ErrWord = errors.New("malformed word about an incident")

// Word is what a person says about an incident. The latest of a kind holds; every
// one is kept.
type Word struct {
	Tenant   string    `json:"tenant"`
	Incident string    `json:"incident"`
	Time     time.Time `json:"time"`
	Word     string    `json:"word"`
	// Text is the owner of an assign, else a note.
	Text string `json:"text"`
	// By is who says so, by his own account; the key that signs says which operator.
	By string `json:"by"`
}

// Validate reports what is wrong with a word. The error wraps [ErrWord].
func (w Word) Validate() error {
	switch {
	case w.Incident == "" || w.By == "" || w.Time.IsZero():
		return fmt.Errorf("incident, time or who says it is missing: %w", ErrWord)
	case !slices.Contains([]string{WordAssign, WordAcknowledge, WordClose, WordReopen, WordNote}, w.Word):
		return fmt.Errorf("word %q: %w", w.Word, ErrWord)
	case len(w.Text) > WordBytesMax || len(w.By) > WordBytesMax:
		return fmt.Errorf("text of %d B, at most %d: %w", max(len(w.Text), len(w.By)), WordBytesMax, ErrWord)
	case w.Text == "" && w.Word == WordNote:
		return fmt.Errorf("a note without text: %w", ErrWord)
	}
	return nil
}

// signer signs what an operator orders; a [verdict.Signer] is one.
type signer interface {
	Order(payload []byte) ([]byte, error)
}

// opener verifies it; a [verdict.KeySet] is one.
type opener interface {
	OpenOrder(record []byte) (payload []byte, kid string, err error)
}

// order is what is signed: an order of another kind is not taken for a word.
type order struct {
	Word Word `json:"incident_word"`
}

// Sign returns the envelope of a word.
func (w Word) Sign(s signer) ([]byte, error) {
	err := w.Validate()
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(order{w})
	if err != nil {
		return nil, fmt.Errorf("encode word: %w", err)
	}
	envelope, err := s.Order(payload)
	if err != nil {
		return nil, fmt.Errorf("sign word: %w", err)
	}
	return envelope, nil
}

// Verify reports whether an envelope holds this very word, and returns the id of the
// operator's key. The error wraps [ErrWord] or is that of the opener.
func (w Word) Verify(keys opener, envelope []byte) (kid string, err error) {
	payload, kid, err := keys.OpenOrder(envelope)
	if err != nil {
		return "", fmt.Errorf("word: %w", err)
	}
	var o order
	err = json.Unmarshal(payload, &o)
	if err != nil {
		return "", fmt.Errorf("word: %w: %w", ErrWord, err)
	}
	if !o.Word.Time.Equal(w.Time) {
		return "", fmt.Errorf("the time is not what was signed: %w", ErrWord)
	}
	o.Word.Time = w.Time
	if o.Word != w {
		return "", fmt.Errorf("not what was signed: %w", ErrWord)
	}
	return kid, nil
}
