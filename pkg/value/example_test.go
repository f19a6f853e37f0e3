package value_test

import (
	"fmt"

	"github.com/conftool/confctl/pkg/value"
)

// Parse returns the value in the form of Python's json.dumps.
func ExampleParse() {
	v, err := value.Parse([]byte(`{"weight":10,"pooled":"yes"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Text())
	fmt.Println(value.Get(v.Fields(), "weight").Int())
	// Output:
	// {"weight": 10, "pooled": "yes"}
	// 10 true
}
