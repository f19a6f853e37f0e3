package schema_test

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// The networks are the results of ip_network(text, strict=False) in Python 3.11. An
// empty one means an error.
func TestNetworksAsPythonReadsThem(t *testing.T) {
	f := schema.Field{Name: "cidrs", Kind: schema.CIDRs}
	for _, c := range []struct {
		text, network string
		usual         bool // there is no doubt
	}{
		{"1.2.3.4", "1.2.3.4/32", true},
		{"192.168.1.0/24", "192.168.1.0/24", true},
		{"1.2.3.4/32", "1.2.3.4/32", true},
		{"0.0.0.0/0", "0.0.0.0/0", true},
		{"::1", "::1/128", true},
		{"2001:db8::/32", "2001:db8::/32", true},
		{"192.168.1.1/24", "192.168.1.0/24", false},
		{"1.2.3.4/0", "0.0.0.0/0", false},
		{"2001:db8::1/32", "2001:db8::/32", false},
		{"::ffff:1.2.3.4/24", "::/24", false},
		{"1.2.3.4/255.255.255.0", "1.2.3.0/24", false},
		{"1.2.3.0/255.255.255.0", "1.2.3.0/24", false},
		{"1.2.3.4/255.255.255.255", "1.2.3.4/32", false},
		{"1.2.3.4/0.0.0.255", "1.2.3.0/24", false},
		{"1.2.3.4/0.0.0.127", "1.2.3.0/25", false},
		{"1.2.3.4/127.255.255.255", "0.0.0.0/1", false},
		{"1.2.3.4/0.0.0.0", "0.0.0.0/0", false},
		{"1.2.3.4/024", "1.2.3.0/24", false},
		{"1.2.3.0/000000000000000000000000000024", "1.2.3.0/24", false},
		{"2001:db8::1/064", "2001:db8::/64", false},
		{"fe80::1%eth0", "fe80::1/128", false},
		{"fe80::1%eth0/64", "fe80::/64", false},
		{"1.2.3.0/255.0.255.0", "", false},
		{"1.2.3.4/255.255.255", "", false},
		{"1.2.3.4/", "", false},
		{"1.2.3.4/33", "", false},
		{"1.2.3.4/033", "", false},
		{"1.2.3.4/4294967320", "", false},
		{"1.2.3.4/18446744073709551640", "", false},
		{"1.2.3.4/24/3", "", false},
		{"1.2.3.4/+4", "", false},
		{"1.2.3.4/-1", "", false},
		{"1.2.3.4/ 24", "", false},
		{"1.2.3.4/٢٤", "", false},
		{"1.2.3/24", "", false},
		{"10/8", "", false},
		{"01.2.3.4/8", "", false},
		{"::1/129", "", false},
		{"2001:db8::/ffff::", "", false},
		{"2001:db8::/255.255.0.0", "", false},
		{"fe80::%/64", "", false},
		{"/24", "", false},
		{"", "", false},
	} {
		v := value.OfList(value.OfString(c.text))
		err := f.Check(v)
		if (err == nil) != (c.network != "") {
			t.Errorf("%q: %v, want the network %q", c.text, err, c.network)
			continue
		}
		doubts := strings.Join(f.Doubts(v), "; ")
		switch {
		case err != nil || c.usual:
			if doubts != "" {
				t.Errorf("%q: doubts %q, want none", c.text, doubts)
			}
		case !strings.HasSuffix(doubts, "the network is "+c.network):
			t.Errorf("%q: doubts %q, want the network %s", c.text, doubts, c.network)
		}
	}
	for text, want := range map[string]string{
		"192.168.1.1/24":        `cidrs: "192.168.1.1/24" has bits set to the right of its mask; the network is 192.168.1.0/24`,
		"1.2.3.4/255.255.255.0": `cidrs: "1.2.3.4/255.255.255.0" has a mask in place of a prefix length and has bits set to the right of its mask; the network is 1.2.3.0/24`,
	} {
		if got := f.Doubts(value.OfList(value.OfString(text))); len(got) != 1 || got[0] != want {
			t.Errorf("%q: doubts %q, want %q", text, got, want)
		}
	}
}
