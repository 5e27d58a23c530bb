using Npgsql;
using OmniPg.Jobmon;

// A process for tests to kill: worker MODE CONNECTION JOB. Says "ready" when there is something to lose.
var (mode, connection, name) = (args[0], args[1], args[2]);
if (mode == "runs")
    return await ManyRuns.RunAsync(connection, name, args[3..]);
await using var dataSource = NpgsqlDataSource.Create(connection);
// The third argument is the spool folder then: the job begins when the test says that the server is away.
var spool = mode == "spool";
var jobmon = new JobmonClient(dataSource, new JobmonOptions
{
    ClientName = "worker",
    SpoolDirectory = spool ? name : null,
    HeartbeatInterval = TimeSpan.FromMilliseconds(300),
    DeadAfter = TimeSpan.FromSeconds(1),
    // The first start compiles as it goes, beside as many other processes as the machine is given.
    ConnectTimeout = TimeSpan.FromMinutes(1),
    CommandTimeout = TimeSpan.FromMinutes(1),
    // Only the kill is to find progress on the server; elsewhere the last flush has to bring it there.
    FlushInterval = mode is "hang" or "starve" ? TimeSpan.FromMilliseconds(200) : TimeSpan.FromMinutes(1),
});
if (spool)
{
    Console.WriteLine("ready 0");
    Console.ReadLine();
    using var offline = jobmon.Start("spooled");
    using var load = offline.Step("load");
    Thread.Sleep(Timeout.Infinite);
}

var job = jobmon.Job(name).SingleInstance().Start();
if (!job.Acquired)
    return 3;
var step = job.Step("load");
// The way of the last flush is known then: it has two seconds, whatever the machine is doing.
step.Report(1, 100_000);
await job.FlushAsync();
for (var row = 1; row <= 50_000; row++)
    step.Report(row, 100_000);
Console.WriteLine($"ready {job.JobId}");
switch (mode)
{
    case "exit":
        return 0;
    case "throw":
        var thread = new Thread(() => throw new InvalidOperationException("nobody catches this"));
        thread.Start();
        thread.Join();
        return 0;
    case "starve":
        for (var i = 0; i < 1_000; i++)
            ThreadPool.QueueUserWorkItem(_ => Thread.Sleep(Timeout.Infinite));
        Thread.Sleep(Timeout.Infinite);
        return 0;
    default:
        Thread.Sleep(Timeout.Infinite);
        return 0;
}
