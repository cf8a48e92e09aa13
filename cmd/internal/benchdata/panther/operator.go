package panther

import (
	_ "embed"
	"fmt"

	"github.com/vigil-gateway/vigil/scorer/model"
)

//go:embed panther.yaml
var operatorYAML []byte

// OperatorModel is the model with the operator's rules, the same as
// testdata/models/panther.yaml.
func OperatorModel() (*model.Model, error) {
	m, err := model.Parse("panther.yaml", operatorYAML)
	if err != nil {
		return nil, fmt.Errorf("operator's rules: %w", err)
	}
	return m, nil
}
