using BenchmarkDotNet.Running;
using OmniPg.Jobmon.Benchmarks;

if (args is ["facts"])
    return await Facts.RunAsync();
BenchmarkSwitcher.FromAssembly(typeof(BenchmarkLog).Assembly).Run(args);
return 0;
