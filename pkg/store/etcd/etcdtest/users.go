package etcdtest

import (
	"maps"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Password is the password of all users.
const Password = "secret"

// Rights enables authentication, for the user root and the users in read and write:
// read holds the keys that each user may read, and write those that it may read and
// write. A key that ends in a slash stands for all keys under it.
func (s *Server) Rights(t testing.TB, read, write map[string][]string) {
	t.Helper()
	admin, err := clientv3.New(clientv3.Config{Endpoints: s.URLs(), Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close() }()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	must(admin.UserAdd(ctx, "root", Password))
	must(admin.UserGrantRole(ctx, "root", "root"))
	grant := func(user string, keys []string, kind clientv3.PermissionType) {
		for _, key := range keys {
			end := ""
			if strings.HasSuffix(key, "/") {
				end = clientv3.GetPrefixRangeEnd(key)
			}
			must(admin.RoleGrantPermission(ctx, user, key, end, kind))
		}
	}
	users := map[string][]string{}
	maps.Copy(users, read)
	maps.Copy(users, write)
	for user := range users {
		must(admin.UserAdd(ctx, user, Password))
		must(admin.RoleAdd(ctx, user))
		must(admin.UserGrantRole(ctx, user, user))
		grant(user, read[user], clientv3.PermissionType(clientv3.PermRead))
		grant(user, write[user], clientv3.PermissionType(clientv3.PermReadWrite))
	}
	must(admin.AuthEnable(ctx))
}
