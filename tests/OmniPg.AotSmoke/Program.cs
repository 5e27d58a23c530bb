using System.Text;
using OmniPg;
using OmniPg.Jobmon;
using OmniPg.Wal;

// The tests start this program as omnipg and as omnipg-wal, which are compiled in it: one run of the compiler serves all.
switch (Path.GetFileName(Environment.ProcessPath))
{
    case "omnipg":
        return await OmniPg.Cli.Program.Main(args);
    case "omnipg-wal":
        return await OmniPg.Wal.Cli.Program.Main(args);
}

// Touches every package in the native build; anything that needs reflection would end it with another exit code than 0.
var name = WalFileName.Parse("0000000100000002000000FF");
if (name.Next(WalSegmentSize.Default).ToString() != "000000010000000300000000")
    return 1;

foreach (var codec in Codec.All.Where(c => c.IsAvailable(out _)))
{
    var compressed = new MemoryStream();
    await using (var encoder = codec.Compress(compressed, leaveOpen: true))
        await encoder.WriteAsync(Encoding.UTF8.GetBytes("native"));
    compressed.Position = 0;
    if (await new StreamReader(codec.Decompress(compressed)).ReadToEndAsync() != "native")
        return 2;
}

// The server is not there: the job must run all the same, which is the promise of the job log.
await using var dataSource = Npgsql.NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=nobody;Timeout=1");
await using (var jobmon = new JobmonClient(dataSource))
{
    using var job = jobmon.Start("aot smoke");
    job.Complete();
}

Console.WriteLine($"{QualifiedName.Parse("a.\"B\"").Quoted} {Codec.All.Count} codecs");
return 0;
