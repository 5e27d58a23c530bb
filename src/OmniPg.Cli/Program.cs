using OmniPg.Cli;

using var signals = new TerminationSignals();
return await Shell.RunAsync(args, CliHost.Process(signals), signals.Token);
