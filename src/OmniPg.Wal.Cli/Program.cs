using OmniPg.Wal.Cli.Running;

return await ProgramRunner.RunAsync(args);
