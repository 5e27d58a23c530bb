using OmniPg.Shared;
using OmniPg.Wal.Cli;

StandardDescriptors.HoldClosed();
AppDomain.CurrentDomain.UnhandledException += (_, _) => Environment.Exit(ProgramRunner.LastResort(args));
return await ProgramRunner.RunAsync(args);
