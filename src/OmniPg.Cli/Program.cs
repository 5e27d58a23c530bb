using OmniPg.Cli;
using OmniPg.Shared;

StandardDescriptors.HoldClosed();
AppDomain.CurrentDomain.UnhandledException += (_, _) => Environment.Exit(ExitCodes.Failed);
using var signals = new TerminationSignals();
return await Shell.RunAsync(args, CliHost.Process(signals), signals.Token);
