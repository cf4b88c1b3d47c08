"""Pairs of answers that say the same, or only seem to; the reference may be either of the two."""

import pytest

pytest.importorskip("math_verify", reason="math-verify is in the extra `math`")

from rlvr.verify.math.compare import same
from rlvr.verify.math.extract import reference
from rlvr.verify.math.judge import decide

SAME = r"""
44 | 44\%
0.44 | 44\%
44\% | 0.44
\frac{1}{4} | 25\%
33\frac13\% | \frac{100}{3}\%
\frac12 | \frac{1}{2}
1,234 | 1234
1234 | 1{,}234
1,234 | \$1,\!234
18 | \$18.00
$18.00 | 18
18 | 18 dollars
\text{June 20} | June20
{June20} | \text{June 20}
\text{June 20} | June 20
\text{(C)} | C
C | \text{(C)}
(C) | \textbf{(C)}
C | \textbf{(C)}\ 27
27 | \textbf{(C)}\ 27
27 | (C) 27
A,D | D, A
\text{A, D} | A,D
\{1,2\} | 1, 2
\{1,2\},\{3,4\} | \{4,3\}, \{1,2\}
\textbf{(C)}\ 27 | \textbf{(C) }27
1,2 | 2,1
(2,3) | \left(2, 3\right)
x \in [1,2] | [1,2]
[1,2] | 1 \le x \le 2
1 \le x \le 2 | [1,2]
(-\infty,3) | x<3
x>3 | (3,\infty)
x<1 \text{ or } x>3 | (-\infty,1)\cup(3,\infty)
(-\infty, -5) \cup [2, 3) | [2,3)\cup(-\infty,-5)
\begin{pmatrix}-5\2\end{pmatrix} | \begin{pmatrix} -5 \\ 2 \end{pmatrix}
\begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{bmatrix}1&2\\3&4\end{bmatrix}
\begin{pmatrix}1/2\\3\end{pmatrix} | \begin{pmatrix}\frac12\\3\end{pmatrix}
11:30 \text{ a.m.} | 11:30
11:30 \text{ a.m.} | 11:30\text{ AM}
05:00 | 5:00
x=5 | 5
5 | x = 5
y=2x+3 | y = 3+2x
2x+3 | y=2x+3
y=2x+3 | 2x-y+3=0
x=2,y=3 | y=3, x=2
x=2,y=3 | (2,3)
x=2,y=3 | 2, 3
x = 2 \text{ or } x = -3 | -3, 2
\pm 2 | 2,-2
x=\pm 2 | 2,-2
3\pm\sqrt{2} | 3-\sqrt2, 3+\sqrt2
(x,y)=(2,3) | (2,3)
3\frac12 | 3.5
3\frac12 | \frac72
\frac72 | 3 1/2
1.6\times10^{-19} | 1.6e-19
1.6 \times 10^{-19} \mathrm{~C} | 1.6 \cdot 10^{-19}
4.5e33 | 4.5 \times 10^{33}
10^{-3} | 0.001
0.\overline{3} | \frac13
0.333333 | \frac13
\frac13 | 0.3333333
\sqrt2 | 1.41421356
\pi | 3.14159265
30^\circ | 30
30 | 30\text{ degrees}
\frac{\pi}{3} | \pi/3
12\sqrt{13} | 12\sqrt{13}\text{ feet}
5\text{ cm}^2 | 5 \text{ square centimeters}
60 \text{ miles per hour} | 60 \text{ mph}
9.8\,\mathrm{m/s^2} | 9.8 \mathrm{~m} / \mathrm{s}^{2}
4 \text{ million} | 4,000,000
2.5\text{ million dollars} | \$2{,}500{,}000
101_2 | 101_{2}
101_2 | (101)_2
24_{10} | 24
\text{even} | even
\text{Yes} | yes
\text{no solution} | No solution
\emptyset | \varnothing
\mathbb{R} | (-\infty,\infty)
(x+1)^2 | x^2+2x+1
\frac{\sqrt{2}}{2} | \frac{1}{\sqrt2}
2^{10} | 1024
\binom52 | 10
5! | 120
\sin x\cos x | \frac{1}{2}\sin(2x)
\log_2 8 | 3
e^{i\pi} | -1
(1+i)(1-i) | 2
\frac{n(n+1)}{2} | \frac{n^2+n}{2}
2^n-1 | 2^{n}-1
f(x)=2x | 2x
\angle ABC = 30^\circ | 30
AB = 5 | 5
033 | 33
27.0 | 27
-\frac{1}{2} | \frac{-1}{2}
-\frac{1}{2} | -1/2
x^2+y^2=4 | y^2 + x^2 - 4 = 0
49x^2-42xy=0 | 98x^2-84xy=0
\frac{2}{3}\approx0.67 | \frac23
1\text{ foot} | 1 \text{ ft}
1:4 | 1 : 4
\frac{x+1}{2} | 0.5x+0.5
ab | ba
xy | yx
\sinx | \sin(x)
-80\leqg(x)\leq82 | -80 \leq g(x) \leq 82
2\sinb\cosa | 2\sin(b)\cos(a)
2007+\frac{\}{p}i2 | 2007+\frac{\pi}{2}
\tan15 | \tan 15^\circ
5^{\text{th}} | 5
5\text{th} | 5
(1,2),(3,4) | (3,4), (1,2)
\{(1,2),(3,4)\} | (1,2), (3,4)
10,000, 20,000 | 10000, 20000
\frac{1}{29,322,216} | \frac{1}{29322216}
\text{two lines} | {twolines}
x\sqrt{2} | \sqrt2 x
68^\circ\text{F} | 68^\circ F
\left\langle 1,2\right\rangle | (1,2)
12 | 12 \text{ ways}
12 | 12 students
-3 | -3.0
\frac{3}{4} | .75
7\text{ hours}. | 7
\begin{pmatrix} \frac{1}{2} & 0 \\ 0 & 1 \end{pmatrix} | \begin{pmatrix} 0.5 & 0 \\ 0 & 1 \end{pmatrix}
\frac{1}{2}\ln 2 | \ln\sqrt{2}
\dfrac{9\sqrt{3}}{4} | \frac{9}{4}\sqrt{3}
n \geq 3 | n\ge3
\arctan 2 | \tan^{-1} 2
I(0) e^{-\frac{t}{R C}} | I(0)e^{-t/(RC)}
\arcsin{1.3 \sin{\theta_w}} | \arcsin(1.3\sin\theta_w)
\frac{m v^2}{2} | \frac12 m v^2
\text{12 cm} | 12
\text{5 or 6} | 5, 6
\text{11:30 a.m.} | 11:30\text{ AM}
\text{1,234 people} | 1234
x \neq 2 | x \ne 2
x+y<3 | 3>y+x
x = y = z | x=y=z
A \cup B | A\cup B
\{1\} \cup [2,3] | [2,3]\cup\{1\}
(-\infty, +\infty) | (-\infty,\infty)
\{x \mid x>2\} | (2,\infty)
\{x \in \mathbb{R} : 1 < x \le 2\} | (1,2]
a=1,b=2 | (a,b)=(1,2)
f(x)=2x, f(x)=3x | f(x)=3x,f(x)=2x
-2./3 | -\frac{2}{3}
y = 2x + 3 | y - 3 = 2x
2^{1009} | 2 \cdot 2^{1008}
4 \mathrm{~m} | 4 \text{ meters}
2.4 \times 10^{8} \mathrm{~cm} / \mathrm{s} | 2.4 \times 10^8 \text{ cm/s}
P(A\cap B) = 0.5 | \frac12
\text{Area} = 5 | 5
\frac{3}{2}\text{ or }1.5 | 1.5, \frac{3}{2}
x=\frac{-1\pm\sqrt5}{2} | \frac{-1+\sqrt5}{2},\frac{-1-\sqrt5}{2}
\mathbf{A} | A
\operatorname{lcm}(4,6) | \operatorname{lcm}(4, 6)
1+2i | 2i+1
\left[\begin{matrix}1\\2\end{matrix}\right] | \begin{bmatrix}1\\2\end{bmatrix}
\left(\begin{array}{cc}1&2\\3&4\end{array}\right) | \begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{array}{c}1\\2\end{array} | \begin{pmatrix}1\\2\end{pmatrix}
\frac{\sqrt{3}}{2} | \sqrt{3}/2
0 | -0
\text{Probability} = \frac12 | P = \frac12
2 \text{ hours} | 2 \text{ hrs}
\frac{3}{4} | \tfrac{3}{4}
6 \text{ or } 7 | \{7, 6\}
5\ \text{cm} | 5\,\mathrm{cm}
\sqrt{3}+1 | 1+\sqrt 3
"""

DIFFERENT = r"""
44\% | 0.44\%
44 | 0.44
0.44 | 44
(2,3) | [2,3]
(2,3) | 2,3
2,3 | (2,3)
(2,3) | (3,2)
[2,3) | (2,3]
(2,3) | \{2,3\}
101_2 | 101
101_2 | 5
43_5 | 43_6
5\text{ cm} | 5\text{ m}
5\text{ cm} | 5\text{ cm}^2
7\text{ hours} | 7\text{ days}
11:30\text{ a.m.} | 11:30 \text{ p.m.}
11:30 | 11:31
5 | x+1=5
5 | 2x=5
x=5 | y=5
x=2,y=3 | x=3,y=2
x=2,y=3 | (3,2)
\text{even} | odd
C | D
C | c
\text{(C)} | (D)
\text{CBAD} | ABCD
east | seat
1.6\times10^{-19} | 2.6\times10^{-19}
1.6\times10^{-19} | 0
x^2+1=0 | x^2+2=0
5 | 2(3)
4 \text{ million} | 4
5 | 5 \text{ is wrong}
42 | 42 \text{ is not the answer, it is } 43
42 | 42x
42 | 4 2
123 | 1 2 3
1,2 | 1,2,3
1,1,2 | 1,2
1,2 | 12
5 | \pm 5
\pm 5 | 5
f'(x) | f(x)
x>2 | x\ge 2
x>2 | y>2
x<2 | x>2
(2,\infty) | x<2
\frac13 | 0.33
\frac13 | 0.3333
\sqrt2 | 1.41
3.14159265 | 3.14159275
3 | 3.0000001
100000000.5 | 100000001.5
\frac{1}{2} | \frac{2}{1}
2 | -2
\begin{pmatrix}1\\2\end{pmatrix} | \begin{pmatrix}1&2\end{pmatrix}
\begin{pmatrix}1\\2\end{pmatrix} | \begin{pmatrix}2\\1\end{pmatrix}
\begin{pmatrix}12\\3\end{pmatrix} | \begin{pmatrix}1\\23\end{pmatrix}
1:4 | 4:1
1:4 | \frac14
A | a
E | e
\$18 | 18\%
5\% | \$5
2\sqrt{2} | 2\sqrt{3}
x | y
\sqrt{x^2} | x
|x| | x
12 | 1\,2\,
-5 | \text{-5 or 5}
5 | \text{-5}
June 20 | June 21
\text{June 20} | 20
20 | \text{June 20}
1,234 | 1.234
0 | \emptyset
\infty | -\infty
n | n!
2^{10} | 2^{11}
y=2x+3 | y=2x+4
2x-y+3=0 | 2x-y+4=0
y = x | x = y^2
24 | 2abcd
3\frac12 | \frac32
\text{Friday} | \text{Monday}
7 | 7 \text{ or } 8
7 | 7 or more
10^{-70} | 10^{-71}
5 \text{ mod } 7 | 5
\begin{vmatrix}1&2\\3&4\end{vmatrix} | \begin{pmatrix}1&2\\3&4\end{pmatrix}
{2}^3 | 23
x_1 | x_2
a_n | a_{n+1}
AB | BA
4 | ４
4 | 四
10 | 1O
1 | l
A | А
\frac{1}{3} | 0.\overline{33}4
6 \text{ MW} | 6 \text{ mW}
2x+1 | 2x-1
A \cup B | A, B
0 < a < b < 1 | 0 < b < a < 1
x = y = z | x = y = 2z
\mathrm{P}(A) | \mathrm{P}(B)
\{1,2\},\{3,4\} | \{1,3\},\{2,4\}
\{1,2\},\{3,4\} | 1,2,3,4
-x \text{ for } x<0 | x \text{ for } x<0
\textbf{(C)}\ 27 | \textbf{(D)}\ 27
\textbf{(C)}\ 27 | \textbf{(C)}\ 28
\frac{2}{3} \approx 0.67 | \frac{2}{3} \approx 4.67
x \neq 2 | x \neq 3
x \neq 2 | x = 2
x+y<3 | x+y>3
x+y<3 | x+y\le3
10,000, 20,000 | 10,000
2^{1009} | 2^{1010}
5^{2} | 5
y=2x | 2x=y+1
\text{12 cm} | 12 \text{ mm}
1+2i | 1-2i
x=-1 | x=1
"""


def pairs(table: str) -> list[tuple[str, str]]:
    """Each line's two answers, in either order."""
    lines = [tuple(line.split(" | ")) for line in table.strip().splitlines()]
    return [pair for a, b in lines for pair in ((a, b), (b, a))]


@pytest.mark.parametrize(("gold", "answer"), pairs(SAME))
def test_same(gold: str, answer: str):
    assert same(gold, answer, decide)


@pytest.mark.parametrize(("gold", "answer"), pairs(DIFFERENT))
def test_different(gold: str, answer: str):
    assert not same(gold, answer, decide)


def test_claims():
    """A chain of equations is right when all of it is; what a repackaged reference claims is left alone."""
    assert same("42", "x = 6 \\cdot 7 = 42", decide)
    assert not same("42", "41 = 42", decide)
    assert not same("42", "6 + 7 = 42", decide)
    assert same("0.56=56", r"0.56 = 56\%", decide)


def test_a_reference_may_be_a_list_or_a_solution():
    """As data sets keep them: OlympiadBench a list of strings, GSM8K a solution that ends in ####."""
    assert same(reference("['$2$', '$\\\\frac{1}{3}$']"), r"\frac13, 2", decide)
    assert same(reference("Half of 2,468 is 1,234.\n#### 1,234"), "1234", decide)
    assert reference(r"So \boxed{\frac12}.") == r"\frac12"
