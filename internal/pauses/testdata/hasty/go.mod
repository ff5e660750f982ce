module hasty

go 1.26
