package geography_test

import ("testing";"fmt"
"github.com/vigil-gateway/vigil/cmd/internal/benchdata/geography")

func TestZZ(t *testing.T){
 rs,err:=geography.Run(t.Context(),"/work/shared/data/maxmind-testdata"); if err!=nil{t.Fatal(err)}
 for _,r:=range rs{fmt.Println(r.Name,r.Asked,r.Exact); for _,w:=range r.Wrong[:min(5,len(r.Wrong))]{fmt.Println("  ",w)}}
}
