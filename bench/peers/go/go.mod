module tarn/bench/peers/go

go 1.20
