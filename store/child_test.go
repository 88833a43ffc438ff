package store_test

// childRole names, in the environment, what the test binary is to do in place
// of tests.
const childRole = "FRAMEHUB_STORE_TEST_CHILD"

func child(role string) int {
	switch role {
	default:
		return 64 // EX_USAGE
	}
}
