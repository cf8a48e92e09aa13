package panther

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vigil-gateway/vigil/schemas/event"
)

// TestEvents reads what a gateway would have seen of logs of each form.
func TestEvents(t *testing.T) {
	tests := map[string]struct {
		test Test
		want func(*event.RequestEvent) bool
	}{
		"a denied call of a cloud's API by a lasting key": {
			Test{Family: "aws_cloudtrail_rules", Log: object{
				"eventSource": "iam.amazonaws.com", "eventName": "GetRole", "errorCode": "AccessDenied", "sourceIPAddress": "192.0.2.7",
				"userIdentity": map[string]any{"type": "IAMUser", "arn": "arn:a", "accessKeyId": "AKIA1"},
			}},
			func(e *event.RequestEvent) bool {
				return e.GetRoute() == "iam:GetRole" && e.GetStatus() == 403 && e.GetMethod() == "GET" && e.GetAuthMethod() == "api_key" && e.GetSubject() == "arn:a" && e.GetAddress() == "192.0.2.7"
			},
		},
		"a service of the cloud has no address": {
			Test{Family: "aws_cloudtrail_rules", Log: object{"eventName": "A", "sourceIPAddress": "sqs.amazonaws.com"}},
			func(e *event.RequestEvent) bool { return e.GetAddress() == "" },
		},
		"who fails to sign in is nobody": {
			Test{Family: "aws_cloudtrail_rules", Log: object{
				"eventName": "ConsoleLogin", "responseElements": map[string]any{"ConsoleLogin": "Failure"}, "userIdentity": map[string]any{"userName": "ann"},
			}},
			func(e *event.RequestEvent) bool {
				return e.GetSubject() == "" && e.GetAccount() == "ann" && e.GetAuthOutcome() == event.AuthFailure
			},
		},
		"a request to a cluster within another log": {
			Test{Family: "kubernetes_rules", Log: object{"properties": map[string]any{"log": `{"verb":"get","objectRef":{"resource":"secrets","namespace":"a","name":"b"},"responseStatus":{"code":403},"user":{"username":"ann"}}`}}},
			func(e *event.RequestEvent) bool {
				return e.GetRoute() == "get secrets" && e.GetPath() == "/namespaces/a/secrets/b" && e.GetStatus() == 403 && e.GetSubject() == "ann"
			},
		},
		"a request to a cluster of Google's": {
			Test{Family: "kubernetes_rules", Log: object{"protoPayload": map[string]any{
				"methodName": "io.k8s.core.v1.pods.exec.create", "resourceName": "core/v1/namespaces/a/pods/b/exec", "request": map[string]any{"command": []any{"cat", "/x"}},
			}}},
			func(e *event.RequestEvent) bool {
				return e.GetRoute() == "create pods/exec" && e.GetResource() == "b" && e.GetAttributes()["query"] == "command=cat&command=/x"
			},
		},
		"the matched groups of a firewall": {
			Test{Family: "aws_waf_rules", Log: object{
				"action": "ALLOW", "terminatingRuleId": "Default_Action", "httpRequest": map[string]any{"clientIp": "192.0.2.7"},
				"ruleGroupList": []any{map[string]any{"ruleGroupId": "G", "nonTerminatingMatchingRules": []any{map[string]any{}}}, map[string]any{"ruleGroupId": "H"}},
			}},
			func(e *event.RequestEvent) bool {
				return len(e.GetWafRules()) == 2 && e.GetWafRules()[1] == "G" && e.GetStatus() == 200
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := new(event.RequestEvent)
			if !toEvent(&tt.test, e) || !tt.want(e) {
				t.Errorf("event %v", e)
			}
		})
	}
}

// Whatever a log holds, an event of it is one that the wire accepts.
func FuzzEvents(f *testing.F) {
	f.Add("aws_cloudtrail_rules", "AWS.CloudTrail", `{"eventName":"ConsoleLogin","userIdentity":{"type":"Root"}}`)
	f.Add("kubernetes_rules", "", `{"properties":{"log":"{\"verb\":\"get\"}"},"protoPayload":{"methodName":"io.k8s.","resourceName":"a/namespaces"}}`)
	f.Add("okta_rules", "Okta.SystemLog", `{"eventType":"user.account.lock","securityContext":{"asNumber":1e9}}`)
	f.Add("azure_signin_rules", "Azure.Audit", `{"operationName":"Sign-in activity","properties":{"status":{"errorCode":50053}}}`)
	f.Fuzz(func(t *testing.T, family, kind, log string) {
		test := Test{Family: family, Types: []string{kind}}
		err := json.Unmarshal([]byte(log), &test.Log)
		if err != nil {
			return
		}
		e := new(event.RequestEvent)
		if !toEvent(&test, e) {
			return
		}
		e.Time = timestamppb.New(start)
		e.Clamp()
		err = e.Check()
		if err != nil {
			t.Fatalf("%s: %v", log, err)
		}
	})
}
