package trees

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

// Ensemble is a model as its file holds it: trees over named features. It is
// immutable. Bind lays it over the columns of a row to score with it.
type Ensemble struct {
	library  string
	features []string
	trees    int
	digest   string

	forest
	link
}

// link is what a library makes of the sum of the leaves.
type link struct {
	base    float64 // Added to the sum: XGBoost's base_score on the scale of the margin.
	single  bool    // Leaves are summed in single precision, as XGBoost does.
	average bool    // The margin is the mean of the trees: a random forest of LightGBM.
	slope   float64 // Probability is logistic(slope × margin); 0: the model is a regression.
}

// Parse reads a model that LightGBM saved as text or XGBoost as JSON, and tells
// the two apart by how the file begins. The error says where the file is at
// fault, and what to do about it.
func Parse(file []byte) (*Ensemble, error) {
	start := bytes.TrimLeft(file, " \t\r\n")
	switch {
	case bytes.HasPrefix(start, []byte("{")):
		return ParseXGBoost(file)
	case bytes.HasPrefix(start, []byte("tree")):
		return ParseLightGBM(file)
	}
	return nil, fmt.Errorf("begins with %s: neither a LightGBM text model nor an XGBoost JSON model; save it with Booster.save_model, to NAME.txt (LightGBM) or NAME.json (XGBoost)", quote(start))
}

// Library is the name of the library that trained the model: LightGBM or XGBoost.
func (e *Ensemble) Library() string { return e.library }

// Features are the names of the model's features, in the order of its file.
func (e *Ensemble) Features() []string { return slices.Clone(e.features) }

// Trees is the number of trees.
func (e *Ensemble) Trees() int { return e.trees }

// Probabilistic reports whether the model was trained to give a probability:
// its [Score.Response] is one. Otherwise the model is a regression, and its
// response is its margin.
func (e *Ensemble) Probabilistic() bool { return e.slope != 0 }

// Digest is the SHA-256 of the file, in hexadecimal.
func (e *Ensemble) Digest() string { return e.digest }

// response maps a margin to the scale of the label.
func (l link) response(margin float64) float64 {
	if l.slope == 0 {
		return margin
	}
	const log2e = 1.4426950408889634
	return 1 / (1 + exact.Exp2(-float64(l.slope*margin)*log2e))
}

// named checks the names of a file's features.
func named(features []string) error {
	if len(features) > FeaturesMax {
		return fmt.Errorf("%d features, at most %d; train on fewer", len(features), FeaturesMax)
	}
	seen := make(map[string]bool, len(features))
	for i, name := range features {
		switch {
		case name == "":
			return fmt.Errorf("feature %d has no name; name the columns when you train", i)
		case len(name) > NameBytesMax:
			return fmt.Errorf("the name of feature %d has %d bytes, at most %d; shorten it", i, len(name), NameBytesMax)
		case seen[name]:
			return fmt.Errorf("two features are named %q; give each its own name when you train", name)
		}
		seen[name] = true
	}
	return nil
}

// sized refuses what is too large or empty to be a model.
func sized(file []byte) error {
	switch {
	case len(file) == 0:
		return errors.New("the file is empty; save the model again")
	case len(file) > FileBytesMax:
		return fmt.Errorf("the file has %d bytes, at most %d; train fewer or smaller trees", len(file), FileBytesMax)
	}
	return nil
}

func digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

// quote shows the beginning of a text that is at fault.
func quote[T string | []byte](text T) string {
	if len(text) > quotedBytesMax {
		return strconv.Quote(string(text[:quotedBytesMax])) + " …"
	}
	return strconv.Quote(string(text))
}
