package schema_test

import (
	"fmt"

	"github.com/conftool/confctl/pkg/schema"
)

func ExampleParse() {
	s, err := schema.Parse("schema.yaml", []byte(`
mwconfig:
  path: mediawiki-config
  tags: [scope]
  schema:
    val: {type: any, default: null}
`), "pools")
	if err != nil {
		fmt.Println(err)
		return
	}
	t, err := s.Type("mwconfig")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.Path, t.Tags)
	fmt.Println(s.Names())
	// Output:
	// mediawiki-config [scope]
	// [node mwconfig]
}
