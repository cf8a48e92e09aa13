package devstack

import (
	"net/http"

	"github.com/vigil-gateway/vigil/gateway/route"
)

// SampleRoutes are the routes of the sample upstream.
func SampleRoutes(upstream string) []route.Spec {
	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	return []route.Spec{
		{ID: "home", Path: "/", Methods: get, Upstream: upstream, Sensitivity: route.SensitivityLow},
		{ID: "static", Path: "/static/{file}", Methods: get, Upstream: upstream, Public: true, Sensitivity: route.SensitivityLow},
		{
			ID: "login", Path: "/login", Methods: post, Upstream: upstream, Public: true, Sensitivity: route.SensitivityNormal,
			SignIn: &route.SignInSpec{Account: "form:username", Success: []int{http.StatusOK}, Failure: []int{http.StatusUnauthorized}},
		},
		{ID: "me", Path: "/me", Methods: get, Upstream: upstream},
		{ID: "accounts", Path: "/accounts", Methods: get, Upstream: upstream},
		{ID: "account", Path: "/accounts/{id}", Methods: get, Upstream: upstream},
		{ID: "live", Path: "/ws", Methods: get, Upstream: upstream},
		{ID: "feed", Path: "/events", Methods: get, Upstream: upstream},
		{ID: "report", Path: "/download", Methods: get, Upstream: upstream},
		{ID: "upload", Path: "/upload", Methods: post, Upstream: upstream},
		{ID: "slow", Path: "/slow", Methods: get, Upstream: upstream},
	}
}

// WholeRoutes put one upstream behind the gateway as it is: everything needs a
// token and nothing is known about any path. "vigil coverage" lists what that
// leaves without a policy.
func WholeRoutes(upstream string) []route.Spec {
	return []route.Spec{{ID: "everything", Path: "/{path...}", Upstream: upstream}}
}
