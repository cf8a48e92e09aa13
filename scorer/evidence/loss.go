package evidence

import (
	"time"

	"github.com/vigil-gateway/vigil/scorer/exact"
)

const (
	gapNats     = 0.4
	silenceNats = 0.3
	silenceUnit = int64(30 * time.Second)
)

// loss says that records of the gateway are missing or that it was silent: what
// is not seen may have been hidden. It concerns every session of the gateway
// alike and therefore stays weak.
func (k *Collector) loss(x *Context) {
	if x.Gateway == nil || x.Subject == nil || !x.request() {
		return
	}
	if lost := x.Gateway.Missing(x.Now); lost >= 1 {
		n := k.cut(SequenceGap, float64(gapNats*exact.Ln(1+lost)))
		if n > 0 {
			k.add(SequenceGap, n, false, k.sayf("%.0f records of gateway %s are missing", lost, short(x.Gateway.Name.String())))
		}
	}
	if silent := x.Gateway.Silent(x.Now); silent > silenceUnit {
		n := k.cut(GatewaySilence, float64(silenceNats*exact.Ln(float64(silent)/float64(silenceUnit))))
		if n > 0 {
			k.add(GatewaySilence, n, false, k.sayf("gateway %s was silent for %s", short(x.Gateway.Name.String()), k.ago(silent)))
		}
	}
}
