using System.Globalization;

namespace EtlJob;

/// <summary>The input: a CSV file, which is removed in the end if it was generated.</summary>
internal sealed class OrdersFile(string path, bool generated) : IDisposable
{
    public string Path => path;

    public static OrdersFile Open(string path) => new(path, generated: false);

    public static OrdersFile Generate(int rows, bool broken)
    {
        var path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"orders-{Guid.NewGuid():N}.csv");
        using var file = new StreamWriter(path);
        file.WriteLine("id,customer,day,amount");
        var random = new Random(1);
        for (var id = 1; id <= rows; id++)
        {
            var amount = broken && id == rows - (rows / 10) ? "12.3O" : random.Next(100, 99_999).ToString(CultureInfo.InvariantCulture).Insert(1, ".");
            file.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{id},customer {id % 997},2026-{1 + (id % 12):00}-{1 + (id % 28):00},{amount}"));
        }

        return new OrdersFile(path, generated: true);
    }

    public IEnumerable<Order> Read()
    {
        foreach (var line in File.ReadLines(path).Skip(1))
        {
            var fields = line.Split(',');
            yield return decimal.TryParse(fields[3], NumberStyles.Number, CultureInfo.InvariantCulture, out var amount)
                ? new Order(int.Parse(fields[0], CultureInfo.InvariantCulture), fields[1], DateOnly.ParseExact(fields[2], "yyyy-MM-dd", CultureInfo.InvariantCulture), amount)
                : throw new FormatException($"Order '{fields[0]}' has amount '{fields[3]}', which is not a number.");
        }
    }

    public long CountRows() => File.ReadLines(path).LongCount() - 1;

    public void Dispose()
    {
        if (generated)
            File.Delete(path);
    }
}

/// <summary>One row of the file.</summary>
internal sealed record Order(int Id, string Customer, DateOnly Day, decimal Amount);
