package analyzer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/vigil-gateway/vigil/analyzer/epochs"
	"github.com/vigil-gateway/vigil/schemas/verdict"
)

// listEpochs lists the shared epochs of a tenant, or one of them with its parts.
func (a *Analyzer) listEpochs(w http.ResponseWriter, r *http.Request) {
	if !a.operator(w, r) {
		return
	}
	q := r.URL.Query()
	var wanted [2]uint64
	for i, key := range [...]string{"number", "against"} {
		text := q.Get(key)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]string{"error": key + ": must be the number of an epoch"})
			return
		}
		wanted[i] = n
	}
	list := []epochs.Listed{}
	for _, e := range a.epochs.List(q.Get("tenant"), wanted[1]) {
		switch wanted[0] {
		case 0:
			e.Parts = nil // Of one epoch at a time: together they are long.
		case e.Number:
		default:
			continue
		}
		list = append(list, e)
	}
	answer(w, http.StatusOK, list)
}

// promote puts a shared epoch in force that an operator's signed order names.
func (a *Analyzer) promote(w http.ResponseWriter, r *http.Request) {
	if !a.operator(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, orderBytesMax))
	if err != nil {
		answer(w, http.StatusRequestEntityTooLarge, map[string]string{"error": err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), relayTimeout)
	defer cancel()
	ref, err := a.epochs.Promote(ctx, bytes.TrimSpace(body))
	if err == nil {
		answer(w, http.StatusOK, map[string]any{"tenant": ref.Tenant, "number": ref.Number, "digest": ref.Digest})
		return
	}
	answer(w, promoteStatus(err), map[string]string{"error": err.Error()})
}

// promoteStatus says who is at fault: the order, the moment, or Kafka.
func promoteStatus(err error) int {
	for _, why := range []error{verdict.ErrUnsigned, verdict.ErrUnknownKey, verdict.ErrSignature, verdict.ErrAuthority, epochs.ErrOrder} {
		if errors.Is(err, why) {
			return http.StatusUnprocessableEntity
		}
	}
	switch {
	case errors.Is(err, epochs.ErrElsewhere):
		return http.StatusMisdirectedRequest
	case errors.Is(err, epochs.ErrOvertaken):
		return http.StatusConflict
	case errors.Is(err, epochs.ErrUnknown):
		return http.StatusNotFound
	}
	return http.StatusServiceUnavailable
}
