using System.Globalization;

namespace EtlJob;

/// <summary>The input: a generated CSV file, and its reader.</summary>
internal static class OrdersFile
{
    public static string Generate(int rows, bool broken)
    {
        var path = Path.Combine(Path.GetTempPath(), $"orders-{Guid.NewGuid():N}.csv");
        using var file = new StreamWriter(path);
        file.WriteLine("id,customer,day,amount");
        var random = new Random(1);
        for (var id = 1; id <= rows; id++)
        {
            var amount = broken && id == rows - (rows / 10) ? "12.3O" : random.Next(100, 99_999).ToString(CultureInfo.InvariantCulture).Insert(1, ".");
            file.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{id},customer {id % 997},2026-{1 + (id % 12):00}-{1 + (id % 28):00},{amount}"));
        }

        return path;
    }

    public static IEnumerable<Order> Read(string path)
    {
        foreach (var line in File.ReadLines(path).Skip(1))
        {
            var fields = line.Split(',');
            yield return decimal.TryParse(fields[3], NumberStyles.Number, CultureInfo.InvariantCulture, out var amount)
                ? new Order(int.Parse(fields[0], CultureInfo.InvariantCulture), fields[1], DateOnly.ParseExact(fields[2], "yyyy-MM-dd", CultureInfo.InvariantCulture), amount)
                : throw new FormatException($"Order '{fields[0]}' has amount '{fields[3]}', which is not a number.");
        }
    }

    public static long CountRows(string path) => File.ReadLines(path).LongCount() - 1;
}

/// <summary>One row of the file.</summary>
internal sealed record Order(int Id, string Customer, DateOnly Day, decimal Amount);
