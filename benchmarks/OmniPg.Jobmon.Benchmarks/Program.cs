using BenchmarkDotNet.Running;
using OmniPg.Jobmon.Benchmarks;

if (args is ["facts"])
    return await Facts.RunAsync();
if (args is ["check"])
    return await CheckFacts.RunAsync();
BenchmarkSwitcher.FromAssembly(typeof(BenchmarkLog).Assembly).Run(args);
return 0;
