#region jobmon-first
using Npgsql;
using OmniPg.Jobmon;

await using var dataSource = NpgsqlDataSource.Create("Host=localhost;Database=postgres;Username=postgres;Password=postgres");
await using var jobmon = new JobmonClient(dataSource);
await jobmon.Admin.InstallAsync();                        // once per database; may be repeated

using (var job = jobmon.Start("nightly orders load"))
{
    using (var step = job.Step("extract"))
    {
        foreach (var order in step.Each(Enumerable.Range(1, 3), unit: "orders"))
            Console.WriteLine($"order {order}");          // the work
        step.Complete("Rows affected: 3");
    }

    job.Complete();                                       // forgotten, or an exception: CRITICAL
}

await foreach (var run in jobmon.History.ListAsync(new JobQuery()))
{
    Console.WriteLine($"{run.JobId} {run.JobName}: {run.Status}");
    await foreach (var step in jobmon.History.StepsAsync(run.JobId))
        Console.WriteLine($"  {step.Action}: {step.Status}, {step.Message}");
}

Console.WriteLine((await jobmon.Monitor.CheckAsync()).ToNagios().Output);
#endregion
