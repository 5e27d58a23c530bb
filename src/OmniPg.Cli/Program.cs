Console.Error.WriteLine("omnipg");
return 64;
