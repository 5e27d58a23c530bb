Console.Error.WriteLine("omnipg-wal");
return 64;
