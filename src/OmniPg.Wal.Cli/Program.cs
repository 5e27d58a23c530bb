using OmniPg.Wal.Cli;

return await ProgramRunner.RunAsync(args);
