using BenchmarkDotNet.Running;
using OmniPg.Jobmon.Benchmarks;

if (args is ["facts"])
    return await Facts.RunAsync();
if (args is ["check"])
    return await CheckFacts.RunAsync();
if (args is ["purge"])
    return await PurgeFacts.RunAsync();
BenchmarkSwitcher.FromAssembly(typeof(BenchmarkLog).Assembly).Run(args);
return 0;
