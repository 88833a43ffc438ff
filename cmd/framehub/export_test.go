package main

// WithoutSecrets is for tests.
var WithoutSecrets = withoutSecrets
