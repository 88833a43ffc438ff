package store_test

func childLimit() int { return 64 }

func childOpen() int { return 64 }
